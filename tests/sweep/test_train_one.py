"""``train`` obeys the same rules as a sweep: one command a folder, and a run that is done is not trained again."""

import dataclasses
import json
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from command_line import dta_bench_here, json_of, refused
from filelock import FileLock
from local_server import mlflow_server
from real_sweeps import start, tracked, wait_until
from rich.console import Console
from small_runs import spec_of

from dta_bench.cli.arguments import options_of, plan_of
from dta_bench.run.workspace import Workspace
from dta_bench.sweep.train_one import ids_of_same_numbers, train_one
from dta_bench.tracking import ActiveSweep, Tracker, heartbeat

TRAIN = ("train", "fonts_digits", "--method", "source_only", "--epochs", "1")
SWEEP = ("sweep", "fonts_digits", "--method", "source_only", "--seeds", "1", "--confirm", "0", "--epochs", "1")


def stored(cwd: Path) -> list[tuple[Any, ...]]:
    """Each run with all that a second measurement of target test would change."""
    tracker_runs = tracked(cwd)
    return [(run.mlflow_run_id, run.status, run.metrics) for run in tracker_runs]


def test_a_run_is_repeated_by_one_that_is_measured_more_often_and_by_no_other() -> None:
    finer = spec_of("dta", epochs=4)
    kept = dataclasses.replace(finer, training=finer.training.model_copy(update={"measure_every": 4}))
    assert kept.id != finer.id
    assert kept.id in ids_of_same_numbers(finer)
    assert dataclasses.replace(kept, seed=1).id not in ids_of_same_numbers(finer)


def test_a_run_that_is_done_is_shown_again_and_not_trained(tmp_path: Path) -> None:
    first = json_of(*TRAIN, cwd=tmp_path)
    before = stored(tmp_path)
    again = dta_bench_here(*TRAIN, "--json", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "is done; its result is shown again, nothing is trained" in again.stderr
    assert "epoch 1/1" not in again.stderr
    assert stored(tmp_path) == before
    second = json.loads(again.stdout)
    assert (first.pop("done_before"), second.pop("done_before")) == (False, True)
    assert second["test"] == first["test"]
    assert second["run_id"] == first["run_id"]


def test_a_dry_run_counts_a_run_of_other_code_as_one_to_do(tmp_path: Path) -> None:
    json_of(*TRAIN, cwd=tmp_path)
    dry = (*SWEEP, "--dry-run")
    before = json_of(*dry, cwd=tmp_path)
    assert (before["done"], before["of_other_code"]) == (1, 0)
    (run,) = tracked(tmp_path)
    Workspace(str(tmp_path), str(tmp_path), f"sqlite:///{tmp_path / 'mlflow.db'}").tracker()._client.set_tag(
        run.mlflow_run_id, "code_fingerprint", "ast1:000000000000"
    )
    after = json_of(*dry, cwd=tmp_path)
    assert (after["done"], after["of_other_code"], after["to_do"]) == (0, 1, 1)


def test_train_and_sweep_share_the_lock_of_their_folder(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    with FileLock(tmp_path / "runs" / "sweep.lock").acquire(timeout=0):
        for command in (TRAIN, SWEEP):
            assert "another sweep is running in" in refused(dta_bench_here(*command, cwd=tmp_path))
    assert not (tmp_path / "mlflow.db").exists()


class Trained(Exception):
    """Raised in place of the training."""


def test_a_training_is_seen_elsewhere_while_it_trains_and_not_afterwards(
    tmp_path: Path, finished_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 0.2)
    shutil.copytree(finished_store, tmp_path / "a")
    workspace = Workspace(str(tmp_path), str(tmp_path / "a"), f"sqlite:///{tmp_path / 'a' / 'mlflow.db'}")
    plan = plan_of("fonts_digits", options_of(method=["source_only"], epochs=1))
    run = plan.spec(plan.backbones[0], "source_only", 0, {}).id

    def seen_elsewhere() -> ActiveSweep | None:
        return workspace.tracker().living_sweep_elsewhere("fonts_digits", "there:/b", {run})

    def train(*_: object) -> None:
        found = seen_elsewhere()
        assert found is not None
        assert found.location.endswith(str(tmp_path / "a"))
        raise Trained

    monkeypatch.setattr("dta_bench.run.execute.execute", train)
    with pytest.raises(Trained):
        train_one(plan, [], 0, workspace, Console(quiet=True))
    assert seen_elsewhere() is None


@pytest.mark.slow  # an MLflow server and three trainings in processes of their own
def test_of_two_trainings_of_one_run_on_one_server_one_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "server").mkdir()
    with mlflow_server(tmp_path / "server") as url:
        refuse_a_second(url, tmp_path)


def refuse_a_second(url: str, tmp_path: Path) -> None:
    line = ("train", "fonts_digits", "--method", "source_only", "--epochs", "400", "--tracking-uri", url)
    tracker = Tracker(url, tmp_path)
    first = start(*line, "--root", str(tmp_path), "--out", str(tmp_path / "a"), cwd=tmp_path)
    wait_until(lambda: [run.status for run in tracker.runs("fonts_digits")] == ["RUNNING"])
    for other in (line, ("sweep", *line[1:], "--points", "1", "--seeds", "1", "--confirm", "0")):
        second = start(*other, "--root", str(tmp_path), "--out", str(tmp_path / "b"), cwd=tmp_path)
        _, stderr = second.communicate(timeout=300)
        assert second.returncode == 2, stderr
        assert "another sweep or training is at work on " in stderr
        assert f"{tmp_path / 'a'}; wait for it" in stderr
    assert first.poll() is None
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=120)
    (run,) = tracker.runs("fonts_digits")
    assert run.status == "KILLED"
    assert tracker.sweeps_elsewhere("fonts_digits", "elsewhere", {run.run_id}) == []
