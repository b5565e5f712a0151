"""What SQL reads of a store is what MLflow reads of it, run by run and value by value."""

import math
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import Metric
from small_runs import spec_of

from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.tracking import Tracker, sqlite_runs, store_file, ui_metadata

VIEW_TAG = f"mlflow.sharedViewState.{ui_metadata.VIEW}"


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


def test_histories_are_those_that_mlflow_gives(tracker: Tracker) -> None:
    odd = tracker.runs("fonts_digits")[-1]
    keys = ["nan", "infinite", "twice", "not there"]
    found = sqlite_runs.histories(tracker.out / "mlflow.db", odd.mlflow_run_id, keys)
    theirs = {key: tracker._client.get_metric_history(odd.mlflow_run_id, key) for key in keys}
    assert str(found) == str({key: [(m.step, m.value) for m in metrics] for key, metrics in theirs.items()})
    assert found["twice"] == [(2, 1.0), (3, 2.0)]


def test_mlflow_finds_the_tag_that_was_set_and_not_the_one_that_was_taken_away(tracker: Tracker) -> None:
    first, second = tracker.runs("fonts_digits")[:2]
    tracker.mark_chosen([first, second], "labels", [first.mlflow_run_id])
    tracker.mark_chosen(tracker.runs("fonts_digits"), "labels", [second.mlflow_run_id])
    tags = [tracker._client.get_run(run.mlflow_run_id).data.tags for run in (first, second)]
    assert tags == [first.tags, second.tags | {"chosen_by_labels": "yes"}]


def test_tags_of_an_experiment_are_those_that_mlflow_gives(tracker: Tracker) -> None:
    found = sqlite_runs.experiment_tags(tracker.out / "mlflow.db", "fonts_digits")
    assert found == tracker._experiment_named("fonts_digits").tags
    assert sqlite_runs.experiment_tags(tracker.out / "mlflow.db", "digits") == {}


def test_a_saved_view_that_an_older_store_lacks_is_kept_in_it(tracker: Tracker) -> None:
    tracker._client.set_experiment_tag(tracker._experiment_named("fonts_digits").experiment_id, VIEW_TAG, "older")
    tracker.keep_view(benchmark_of("fonts_digits"))
    assert "selectedColumns" in tracker._experiment_named("fonts_digits").tags[VIEW_TAG]
