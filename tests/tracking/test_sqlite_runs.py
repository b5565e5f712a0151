"""What SQL reads of a store is what MLflow reads of it, run by run and value by value."""

import math
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import Metric
from small_runs import spec_of

from dta_bench.tracking import Tracker, sqlite_runs, store_file


@pytest.fixture
def tracker(finished_store: Path, tmp_path: Path) -> Tracker:
    """Two finished runs, a sweep, a removed run, one without a name, one with odd metrics, and a foreign one."""
    (tmp_path / "mlflow.db").write_bytes((finished_store / "mlflow.db").read_bytes())
    made = Tracker(store_file.sqlite_uri(tmp_path / "mlflow.db"), tmp_path)
    client, experiment = made._client, made._experiment_named("fonts_digits").experiment_id
    made.start_sweep("fonts_digits", "digits", "5weep", {"search_space": "digits", "confirm": "3"})
    made.open_run(spec_of("mcd"), None, "removed", set(), {})
    client.delete_run(made.runs("fonts_digits")[-1].mlflow_run_id)
    odd = made.open_run(spec_of("dan"), None, "odd", set(), {"data_fingerprint": ""})
    values = [("nan", math.nan), ("infinite", math.inf), ("twice", 1.0), ("twice", 2.0)]
    client.log_batch(
        odd.mlflow_run_id, metrics=[Metric(key, value, step, step) for step, (key, value) in enumerate(values)]
    )
    client.create_run(experiment, tags={"run_id": "", "note": "of another program"})
    return made


def plain(run: Any) -> tuple[Any, ...]:
    """A run's values; NaN as text, which is equal to itself."""
    info = run.info
    metrics = {key: str(value) for key, value in run.data.metrics.items()}
    return info.run_id, info.run_name, info.status, info.experiment_id, info.artifact_uri, dict(run.data.tags), metrics


@pytest.mark.parametrize("tags", [("run_id",), ("sweep_id",), ("sweep_id", "confirm"), ("sweep_id", "no_such_tag")])
def test_runs_are_those_that_mlflow_finds(tracker: Tracker, tags: tuple[str, ...]) -> None:
    experiment = tracker._experiment_named("fonts_digits").experiment_id
    theirs = tracker._search(experiment, " and ".join(f"tags.{tag} != ''" for tag in tags))
    assert list(map(plain, tracker._runs_with_tags("fonts_digits", *tags))) == list(map(plain, theirs))


def test_a_benchmark_without_an_experiment_has_no_runs(tracker: Tracker) -> None:
    assert list(tracker._runs_with_tags("digits", "run_id")) == []


def test_the_latest_revision_is_what_alembic_finds() -> None:
    assert store_file._latest_revision() == store_file._mlflow_revisions()[1]


@pytest.mark.usefixtures("tracker")
def test_nothing_is_written(tmp_path: Path) -> None:
    before = (tmp_path / "mlflow.db").read_bytes()
    assert sqlite_runs.runs_with_tags(tmp_path / "mlflow.db", "fonts_digits", ["run_id"])
    assert (tmp_path / "mlflow.db").read_bytes() == before


@pytest.mark.usefixtures("tracker")
def test_a_store_that_another_program_is_writing_is_waited_for(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "mlflow.db") as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError, match="locked") as locked:
            sqlite_runs.runs_with_tags(tmp_path / "mlflow.db", "fonts_digits", ["run_id"])
    assert store_file.is_locked(locked.value)
