"""A real sweep on a real local Ray and a real sqlite MLflow: it is done once and can be resumed; and its plan."""

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest
from command_line import dta_bench_here, json_of, refused
from real_sweeps import run_json, start, title, tracked, wait_until

from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.spec import plan_notes, search_space_file
from dta_bench.spec.plan import Options, Plan
from dta_bench.sweep.choose_runs import make_plan

TINY = ("sweep", "fonts_digits", "--epochs", "1", "--points", "2", "--seeds", "1", "--confirm", "0", "--parallel", "2")


SPACE = """# Two points, of which the loss of one overflows, beside a method that has a mistake in it.
benchmark: fonts_digits
baselines: [source_only, mistaken]
training: {epochs: 1, optimizer: adam, learning_rate: 1e-3, batch_size: 64}
sets:
  lambda_2: [0.01, 0.1, 3.0e+38]
backbones:
  conv3_fc2: {lambda_1: 2, lambda_2: 0.01, lambda_3: 0, delta_e: 0.1, delta_c: 0.05, ramp_up_epochs: 1, epsilon: 0}
"""
MISTAKEN = '''"""A user's own method, with a mistake."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Params:
    pass


def loss(net, source, target, epoch, params):
    raise LookupError("a mistake of the user's")
'''


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A folder with a sweep that has ended, and what it printed; Ray is started once for all that is asked of it."""
    folder = tmp_path_factory.mktemp("swept")
    for kind, name, text in (("search_spaces", "mine.yaml", SPACE), ("methods", "mistaken.py", MISTAKEN)):
        (folder / kind).mkdir()  # a user's own files, in the working directory
        (folder / kind / name).write_text(text)
    return folder, run_json("sweep", "mine", "--points", "2", "--parallel", "2", cwd=folder)


def test_a_sweep_trains_selects_and_reports(swept: tuple[Path, dict[str, Any]]) -> None:
    folder, found = swept
    assert found["benchmark"] == "fonts_digits"
    assert found["rule"] == "labels"
    assert found["selected"]["method"] == "dta"
    assert 0 <= found["test"]["accuracy"] <= 100
    assert found["test"]["ci95"][0] <= found["test"]["accuracy"] <= found["test"]["ci95"][1]
    assert list(found["test"]["per_class"]) == list(benchmark_of("fonts_digits").classes)
    assert found["source_only"]["seeds"] == found["test"]["seeds"] == 1
    assert len(tracked(folder)) == 4
    report = json_of("report", "fonts_digits", "--select", "oracle", cwd=folder)
    assert report["rule"] == "oracle"


def test_a_run_that_diverges_or_breaks_fails_with_its_reason_and_the_sweep_goes_on(
    swept: tuple[Path, dict[str, Any]],
) -> None:
    folder, found = swept
    assert sorted(run.status for run in tracked(folder)) == ["FAILED", "FAILED", "FINISHED", "FINISHED"]
    assert found["runs"] == 2
    assert found["failed"].keys() == {"dta lambda_2=3e+38 seed=0", "mistaken seed=0"}
    assert "stopped being finite" in found["failed"]["dta lambda_2=3e+38 seed=0"]
    assert found["failed"]["mistaken seed=0"].endswith("mistaken.py, line 12: LookupError: a mistake of the user's")


def test_runs_that_are_done_or_have_diverged_are_not_repeated(swept: tuple[Path, dict[str, Any]]) -> None:
    folder, found = swept
    before = {run.mlflow_run_id: run.metrics for run in tracked(folder)}
    plan = json_of("sweep", "mine", "--dry-run", "--points", "2", cwd=folder)
    assert (plan["done"], plan["diverged"], plan["to_do"]) == (2, 1, 1)
    more = json_of("sweep", "mine", "--dry-run", "--points", "3", cwd=folder)
    assert (more["done"], more["diverged"], more["to_do"]) == (2, 1, 2)

    (folder / "search_spaces/sound.yaml").write_text(SPACE.replace("[source_only, mistaken]", "[source_only]"))
    again = json_of("sweep", "sound", "--points", "2", cwd=folder)
    assert again["test"] == found["test"]
    assert {run.mlflow_run_id: run.metrics for run in tracked(folder)} == before


@pytest.mark.slow
def test_a_killed_worker_and_an_interrupted_driver_lose_nothing_and_repeat_nothing(tmp_path: Path) -> None:
    arguments = ("sweep", "fonts_digits", "--epochs", "6", "--points", "2", "--seeds", "2", "--confirm", "0")
    arguments = (*arguments, "--parallel", "2")
    driver = start(*arguments, cwd=tmp_path)
    wait_until(lambda: any((tmp_path / "runs").glob("*.pt")))  # an epoch of some run is done
    busy_worker(driver).kill()  # SIGKILL
    wait_until(lambda: any(run.status == "FINISHED" for run in tracked(tmp_path)))
    wait_until(lambda: sum(run.status == "RUNNING" for run in tracked(tmp_path)) == 2)
    assert driver.poll() is None
    begun = {run.run_id for run in tracked(tmp_path)}
    driver.send_signal(signal.SIGINT)
    _, stderr = driver.communicate(timeout=120)
    assert driver.returncode == 130, stderr
    assert "Traceback" not in stderr
    before = {run.run_id: run.mlflow_run_id for run in tracked(tmp_path)}
    assert all(run.status != "RUNNING" for run in tracked(tmp_path))
    assert before.keys() == begun  # no run was started after Ctrl-C
    states = {run["id"]: run["state"] for run in run_json(*arguments, "--dry-run", cwd=tmp_path)["runs"]}
    assert {states[run] for run in begun} == {"done", "interrupted, goes on"}

    found = run_json(*arguments, cwd=tmp_path)
    plan = run_json(*arguments, "--dry-run", cwd=tmp_path)
    after = tracked(tmp_path)
    assert {run.run_id for run in after} == {run["id"] for run in plan["runs"]}
    assert len(after) == plan["done"] == found["runs"] == 6
    assert all(run.status == "FINISHED" for run in after)
    assert before.items() <= {run.run_id: run.mlflow_run_id for run in after}.items()


def busy_worker(driver: subprocess.Popen[str]) -> psutil.Process:
    """A Ray worker of this driver that is in the middle of a run."""
    children = psutil.Process(driver.pid).children(recursive=True)
    return next(child for child in children if "ray::TrainRun" in title(child))


@pytest.mark.slow
def test_a_second_sweep_in_the_same_folder_is_refused_with_one_sentence(tmp_path: Path) -> None:
    first = start(*TINY, cwd=tmp_path)
    wait_until((tmp_path / "runs" / "sweep.lock").exists)
    second = start(*TINY, cwd=tmp_path)
    _, stderr = second.communicate(timeout=120)
    assert second.returncode == 2
    assert "another sweep is running" in stderr
    first.communicate(timeout=300)
    assert first.returncode == 0


def plan_of(name: str, **options: Any) -> Plan:
    return make_plan(name, search_space_file.read(name), Options(**options))


def test_a_plan_holds_each_run_once_and_its_baselines() -> None:
    plan = plan_of("visda", seeds=2)
    assert len({run.id for run in plan.runs}) == len(plan.runs) == 2 * (120 + 1)


def test_fewer_points_are_the_first_of_more() -> None:
    few, many = plan_of("visda", points=5), plan_of("visda", points=20)
    swept = [run.id for run in many.runs if run.method == "dta"]
    assert [run.id for run in few.runs if run.method == "dta"] == swept[:5]


def test_parameters_without_effect_do_not_split_runs() -> None:
    params = [run.params for run in plan_of("visda").runs if run.method == "dta"]
    assert all((p["epsilon"] == 0) == (p["lambda_3"] == 0) for p in params)


def test_run_names_say_the_method_and_what_differs() -> None:
    plan = plan_of("visda", points=1)
    assert [plan.run_name(run) for run in plan.runs] == [
        "dta lambda_2=0.02 lambda_3=0.2 delta_e=0.1 delta_c=0.01 epsilon=15 seed=0",
        "source_only seed=0",
    ]


def test_a_ramp_longer_than_the_training_is_noted() -> None:
    notes = plan_notes.notes(plan_of("visda", backbones=("resnet101",)))
    assert any("0.67" in note for note in notes)
    assert not plan_notes.notes(plan_of("visda", backbones=("resnet101",), methods=("mcc",)))  # it has no ramp


def test_a_misspelt_parameter_in_a_file_is_refused(tmp_path: Path) -> None:
    from dta_bench.errors import UserError

    text = Path(search_space_file.plugins.path("search_space", "fonts_digits")).read_text()
    (tmp_path / "mine.yaml").write_text(text.replace("delta_e:", "delta_x:"))
    with pytest.raises(UserError, match="delta_x"):
        make_plan("mine", search_space_file.read(tmp_path / "mine.yaml"), Options())


os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")


def test_a_cluster_that_does_not_answer_is_refused_within_seconds(tmp_path: Path) -> None:
    result = dta_bench_here(*TINY, "--address", "127.0.0.1:9", cwd=tmp_path)
    assert result.stdout == ""
    assert (
        refused(result).splitlines()[-1]
        == "dta-bench: no Ray cluster answers at 127.0.0.1:9: [Errno 111] Connection refused"
    )


def test_nodes_without_a_cluster_are_refused(tmp_path: Path) -> None:
    said = refused(dta_bench_here(*TINY, "--nodes", "2", cwd=tmp_path))
    assert "2 worker nodes are to be waited for, but no cluster is named" in said.splitlines()[-1]


CONFIRMING = (*TINY[:2], "--epochs", "3", "--points", "2", "--seeds", "1", "--confirm", "2", "--parallel", "2")


@pytest.mark.slow
def test_a_sweep_killed_while_it_confirms_goes_on_and_repeats_nothing(tmp_path: Path) -> None:
    driver = start(*CONFIRMING, cwd=tmp_path)
    wait_until(lambda: any((tmp_path / "runs").glob("*.pt")))  # the store is made
    wait_until(lambda: any(run.status == "FINISHED" and run.spec.seed >= 1000 for run in tracked(tmp_path)))
    driver.kill()  # SIGKILL
    driver.communicate(timeout=120)
    before = {run.run_id: run.mlflow_run_id for run in tracked(tmp_path) if run.status == "FINISHED"}
    assert len(before) < 3 + 4

    found = run_json(*CONFIRMING, cwd=tmp_path)
    after = {run.run_id: run.mlflow_run_id for run in tracked(tmp_path) if run.status == "FINISHED"}
    assert before.items() <= after.items()
    assert len(after) == len(tracked(tmp_path)) == found["runs"] == 3 + 4
    assert found["confirmation"] == {"seeds": [1000, 1001], "requested": 4, "done": 4}
    assert found["selected"]["confirmed"]
    plan = run_json(*CONFIRMING, "--dry-run", cwd=tmp_path)
    assert plan["confirmation"] == {"seeds": [1000, 1001], "runs": 4, "done": 4, "to_do": 0}
    assert plan["estimate"]["runs"] == plan["to_do"] == 0
