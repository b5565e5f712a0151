"""A network that is not kept is removed from the store, be it files here or an MLflow server's."""

from pathlib import Path

import pytest
from local_server import mlflow_server
from small_runs import spec_of
from stored_runs import finish

from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.tracking import Tracker, store_file

NAME = "network.safetensors"


def check_removal(uri: str, folder: Path) -> None:
    """One of two runs' networks is removed; the other one's, and the first's predictions, stay."""
    tracker = Tracker(uri, folder)
    tracker.check()
    tracker.experiment(benchmark_of("fonts_digits"))
    for seed in (0, 1):
        finish(tracker, spec_of("dta", seed=seed), 0.8)
    runs = tracker.runs("fonts_digits")
    (folder / NAME).write_bytes(b"weights")
    for run in runs:
        tracker._client.log_artifact(run.mlflow_run_id, str(folder / NAME))
    beaten, best = runs
    assert tracker.remove_file(beaten.mlflow_run_id, NAME)
    assert [tracker.has_file(run, NAME) for run in (beaten, best)] == [False, True]
    assert len(tracker.predictions(beaten)["target_test_logits"]) == 400
    assert not tracker.remove_file(beaten.mlflow_run_id, NAME)


def test_from_files_here(tmp_path: Path) -> None:
    check_removal(store_file.sqlite_uri(tmp_path / "mlflow.db"), tmp_path)


@pytest.mark.slow  # a real server
def test_from_a_server_that_keeps_the_artifacts(tmp_path: Path) -> None:
    with mlflow_server(tmp_path) as uri:
        check_removal(uri, tmp_path)
        assert len(list((tmp_path / "kept").rglob(NAME))) == 1
