"""Listing runs, and taking some away: what is marked in MLflow, what is removed, and what is refused."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import refusal
from small_runs import spec_of
from stored_runs import finish
from typer.testing import CliRunner

from dta_bench import cli
from dta_bench.cli.runs import _with_network
from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.tracking import Tracker, store_file

Run = Callable[[str], str]


@pytest.fixture
def out(finished_store: Path, tmp_path: Path) -> Path:
    """An --out with a finished run of dta and one of source_only."""
    return shutil.copytree(finished_store, tmp_path / "results")


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process, which must succeed; returns what it prints on stdout."""

    def printed(line: str) -> str:
        capfd.readouterr()
        result = CliRunner().invoke(cli.app, line.split())
        assert result.exit_code == 0, (result.output, result.exception)
        return capfd.readouterr().out

    return printed


def listed(run: Run, out: Path, options: str = "") -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(run(f"runs {options} --out {out} --json"))["runs"]
    return found


def test_all_runs_are_listed_in_the_order_in_which_they_were_started(run: Run, out: Path) -> None:
    rows = listed(run, out)
    assert [row["method"] for row in rows] == ["dta", "source_only"]
    assert {row["status"] for row in rows} == {"finished"}
    assert {row["metric"] for row in rows} == {"accuracy"}
    assert all(isinstance(row["test"], float) and 70 < row["test"] < 90 for row in rows)


def test_methods_states_and_order_are_chosen(run: Run, out: Path) -> None:
    assert [row["method"] for row in listed(run, out, "--methods mcc,source_only")] == ["source_only"]
    assert listed(run, out, "--status failed,killed") == []
    assert len(listed(run, out, "fonts_digits --status finished")) == 2
    tests = [row["test"] for row in listed(run, out, "--sort test")]
    assert tests == sorted(tests, reverse=True)


def test_a_suite_lists_the_runs_of_its_pairs(run: Run, out: Path) -> None:
    tracker = Tracker(store_file.sqlite_uri(out / "mlflow.db"), out)
    tracker.experiment(benchmark_of("digits_suite.fonts-to-optdigits"))
    spec = dataclasses.replace(spec_of("mcc"), benchmark="digits_suite.fonts-to-optdigits")
    finish(tracker, spec, 0.7)
    assert [row["run"] for row in listed(run, out, "digits_suite")] == [spec.id]


def test_the_table_has_a_line_for_each_run_and_what_all_share_once(run: Run, out: Path) -> None:
    lines = run(f"runs --out {out}").splitlines()[:4]  # what ends it has a test of its own
    assert lines[0].split() == ["run", "method", "seed", "status", "subset", "test"]
    assert lines[3] == "2 runs, fonts_digits, conv3_tiny"


def test_runs_that_differ_only_in_a_setting_are_no_equal_rows(run: Run, out: Path) -> None:
    tracker = Tracker(store_file.sqlite_uri(out / "mlflow.db"), out)
    spec = spec_of("mcc")
    longer = spec.training.model_copy(update={"measure_every": 2})
    for one in (spec, dataclasses.replace(spec, training=longer)):
        finish(tracker, one, 0.7)
    rows = {row["run"]: row["apart"] for row in listed(run, out, "--methods mcc")}
    assert rows[spec.id] == "measure_every=1"
    assert set(rows.values()) == {"measure_every=1", "measure_every=2"}
    assert "mcc (measure_every=2)" in " ".join(run(f"runs --methods mcc --out {out}").split())


def test_no_name_is_cut_on_eighty_columns(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    tracker = Tracker(store_file.sqlite_uri(tmp_path / "mlflow.db"), tmp_path)
    tracker.check()
    tracker.experiment(benchmark_of("fonts_digits"))
    for balance in (0.1, 0.01):
        spec = dataclasses.replace(spec_of("dta_released"), params={"class_balance": balance})
        log = tracker.open_run(spec, None, f"dta_released class_balance={balance} seed=0", set(), {})
        log.fail("its data cannot be read; mend them and call the same command again, which tries it anew")
    first, second, why = run(f"runs --out {tmp_path}").splitlines()[1:4]
    assert "dta_released class_balance=0.1 " in first
    assert "dta_released class_balance=0.01 " in second
    assert why.endswith(
        " failed: its data cannot be read; mend them and call the same command again, which tries it anew"
    )


def test_figures_are_offered_of_the_best_run_that_kept_its_network(run: Run, out: Path) -> None:
    assert "dta-bench figures" not in run(f"runs --out {out}")
    kept = listed(run, out)[1]
    (network,) = out.glob(f"**/{kept['mlflow_run_id']}/artifacts")
    (network / "network.safetensors").touch()
    assert (
        f"dta-bench figures {kept['run']} --out {out}  # what it has learned: of the listed runs of fonts_digits that "
        f"kept a network, the highest accuracy on target test, {kept['test']:.1f} %; no rule chose it"
    ) in run(f"runs --out {out}")


def test_the_best_run_that_kept_its_network_is_the_best_of_one_benchmark(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dta_bench.report.predictions.stored_network.keeps_network", lambda *_: True)
    tracker = Tracker(store_file.sqlite_uri(out / "mlflow.db"), out)
    here = tracker.runs("fonts_digits")
    other = dataclasses.replace(here[0], run_id="other", spec=dataclasses.replace(here[0].spec, benchmark="digits"))
    other = dataclasses.replace(other, metrics={"test/accuracy": 99.9})
    best = max(here, key=lambda one: one.metrics["test/accuracy"])
    assert _with_network(tracker, [*here, other])[0] == best.run_id
    assert _with_network(tracker, [other, *here])[0] == "other"
    unlabelled = dataclasses.replace(other, metrics={})
    assert _with_network(tracker, [unlabelled]) == (
        "other",
        "the first of the listed runs of digits that kept a network; none has a score on target test",
    )


def test_a_running_run_whose_sweep_was_killed_says_since_when_there_is_no_sign_of_life(
    run: Run, tmp_path: Path
) -> None:
    tracker = Tracker(store_file.sqlite_uri(tmp_path / "mlflow.db"), tmp_path)
    tracker.check()
    tracker.experiment(benchmark_of("fonts_digits"))
    spec = spec_of("mcc")
    parent = tracker.start_sweep("fonts_digits", "fonts_digits", "abc", {})
    tracker.open_run(spec, parent, "mcc seed=0", set(), {})
    with tracker.announce_sweep(parent, "here:/a", {spec.id}):
        assert "no sign of life" not in run(f"runs --out {tmp_path}")
        (tag,) = (key for key in tracker._client.get_run(parent).data.tags if key.startswith("at_work."))
        tracker._client.set_tag(parent, tag, json.dumps({"place": "here:/a", "beat": 3, "time": 1700000000}))
        said = run(f"runs --out {tmp_path}")
    assert "running, no sign of life" in " ".join(said.split())
    assert f"{spec.id} running: no sign of life since 2023-11-1" in said
    assert f"{spec.id} running: no sign of life: its command" in run(f"runs --out {tmp_path}")
    assert "\nno sign of life: its command was killed" in run(f"runs {spec.id} --out {tmp_path}")


def test_rm_says_how_much_is_freed_and_what_is_left(run: Run, out: Path) -> None:
    first = listed(run, out)[0]
    (files,) = out.glob(f"**/{first['mlflow_run_id']}/artifacts")
    size = sum(path.stat().st_size for path in files.rglob("*") if path.is_file())
    said, following = run(f"runs rm {first['run']} --yes --out {out}").splitlines()
    assert said == f"1 run removed, {size / 2**20:.1f} MiB of files freed"
    assert following.startswith(f"Next: dta-bench runs --out {out}")


def test_rm_marks_a_run_as_deleted_and_removes_its_files_alone(run: Run, out: Path) -> None:
    first, second = listed(run, out)
    assert json.loads(run(f"runs rm {str(first['run'])[:6]} --yes --out {out} --json"))["removed"] == [first["run"]]
    assert [row["run"] for row in listed(run, out)] == [second["run"]]
    kept = {path for path in out.rglob("*") if path.is_file()}
    assert not any(str(first["mlflow_run_id"]) in str(path) for path in kept)
    assert any(str(second["mlflow_run_id"]) in str(path) for path in kept)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("runs rm", "runs rm takes the beginnings of identities"),
        ("runs rm zzzz --yes", "no run's identity begins with 'zzzz'"),
        ("runs visda", "has no runs of visda; it has: fonts_digits"),
        ("runs --sort size", "--sort size is not known; it takes started, method, subset, test"),
        ("runs --yes", "--yes would have no effect without rm"),
        ("runs rm abc --status failed", "--status would have no effect with rm"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(run: Run, out: Path, line: str, sentence: str) -> None:
    assert sentence in refusal(f"{line} --out {out}")
    assert len(listed(run, out)) == 2


def test_rm_asks_and_without_a_terminal_nothing_is_removed(run: Run, out: Path) -> None:
    identity = listed(run, out)[0]["run"]
    assert "no terminal is there to ask on; add --yes" in refusal(f"runs rm {identity} --out {out}")
    assert len(listed(run, out)) == 2


def test_a_run_after_ctrl_c_is_interrupted_and_found_by_that_word(run: Run, out: Path) -> None:
    tracker = Tracker(store_file.sqlite_uri(out / "mlflow.db"), out)
    tracker.open_run(spec_of(seed=7), None, "dta seed=7", set(), {}).interrupt()
    assert [row["status"] for row in listed(run, out, "--status interrupted")] == ["interrupted"]
    assert "killed" not in run(f"runs --out {out}")
    assert "finished, failed, interrupted, stopped, running" in refusal(f"runs --status ended --out {out}")
