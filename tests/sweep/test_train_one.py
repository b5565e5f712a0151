"""``train`` obeys the same rules as a sweep: one command a folder, and a run that is done is not trained again."""

from pathlib import Path
from typing import Any

from filelock import FileLock
from real_sweeps import run_json, start, tracked

from dta_bench.run.workspace import Workspace

TRAIN = ("train", "fonts_digits", "--method", "source_only", "--epochs", "1")
SWEEP = ("sweep", "fonts_digits", "--method", "source_only", "--points", "1", "--seeds", "1", "--epochs", "1")


def stored(cwd: Path) -> list[tuple[Any, ...]]:
    """Each run with all that a second measurement of target test would change."""
    tracker_runs = tracked(cwd)
    return [(run.mlflow_run_id, run.status, run.metrics) for run in tracker_runs]


def test_a_run_that_is_done_is_shown_again_and_not_trained(tmp_path: Path) -> None:
    first = run_json(*TRAIN, cwd=tmp_path)
    before = stored(tmp_path)
    again = start(*TRAIN, "--json", cwd=tmp_path)
    _, stderr = again.communicate(timeout=300)
    assert again.returncode == 0, stderr
    assert "is done; its result is shown again, nothing is trained" in stderr
    assert "epoch 1/1" not in stderr
    assert stored(tmp_path) == before
    second = run_json(*TRAIN, cwd=tmp_path)
    assert (first.pop("done_before"), second.pop("done_before")) == (False, True)
    assert second["test"] == first["test"]
    assert second["run_id"] == first["run_id"]


def test_a_dry_run_counts_a_run_of_other_code_as_one_to_do(tmp_path: Path) -> None:
    run_json(*TRAIN, cwd=tmp_path)
    dry = (*SWEEP, "--dry-run")
    before = run_json(*dry, cwd=tmp_path)
    assert (before["done"], before["of_other_code"]) == (1, 0)
    (run,) = tracked(tmp_path)
    Workspace(str(tmp_path), str(tmp_path), f"sqlite:///{tmp_path / 'mlflow.db'}").tracker()._client.set_tag(
        run.mlflow_run_id, "code_fingerprint", "ast1:000000000000"
    )
    after = run_json(*dry, cwd=tmp_path)
    assert (after["done"], after["of_other_code"], after["to_do"]) == (0, 1, 1)


def test_train_and_sweep_share_the_lock_of_their_folder(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    with FileLock(tmp_path / "runs" / "sweep.lock").acquire(timeout=0):
        for command in (TRAIN, SWEEP):
            refused = start(*command, cwd=tmp_path)
            _, stderr = refused.communicate(timeout=300)
            assert refused.returncode == 2
            assert "another sweep is running in" in stderr
            assert "Traceback" not in stderr
    assert not (tmp_path / "mlflow.db").exists()
