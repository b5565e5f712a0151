"""What MLflow's pages show of a store that we made: the kind of its experiments, round metrics, its sweeps."""

from pathlib import Path
from typing import Any

import pytest
from small_runs import spec_of
from stored_runs import finish

from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.tracking import Tracker
from dta_bench.tracking.ui_metadata import rounded, source_tags


@pytest.fixture
def tracker(tmp_path: Path) -> Tracker:
    made = Tracker(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path)
    made.check()
    made.experiment(benchmark_of("fonts_digits"))
    return made


def experiments(tracker: Tracker) -> dict[str, Any]:
    return {one.name: one for one in tracker._client.search_experiments()}


def test_an_experiment_opens_in_model_training(tracker: Tracker) -> None:
    assert experiments(tracker)["fonts_digits"].tags["mlflow.experimentKind"] == "custom_model_development"


def test_a_kind_that_a_user_chose_stays(tracker: Tracker) -> None:
    tracker._client.set_experiment_tag(experiments(tracker)["fonts_digits"].experiment_id, "mlflow.experimentKind", "x")
    tracker.experiment(benchmark_of("fonts_digits"))
    assert experiments(tracker)["fonts_digits"].tags["mlflow.experimentKind"] == "x"


def test_a_store_that_we_made_has_no_empty_default_experiment(tracker: Tracker) -> None:
    assert set(experiments(tracker)) == {"fonts_digits"}


def test_a_store_that_was_there_keeps_its_default_experiment(tmp_path: Path) -> None:
    from mlflow import MlflowClient

    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    MlflowClient(tracking_uri=uri).search_experiments()
    other = Tracker(uri, tmp_path)
    other.check()
    assert "Default" in experiments(other)


@pytest.mark.parametrize(
    ("value", "stored"), [(82.39999999999999, 82.4), (100 / 3, 33.3333333), (1e-7 / 3, 3.33333333e-8), (0.0, 0.0)]
)
def test_a_metric_is_stored_without_the_noise_of_arithmetic(value: float, stored: float) -> None:
    assert rounded(value) == stored


def test_all_metrics_of_a_run_are_stored_round(tracker: Tracker) -> None:
    finish(tracker, spec_of("dta"), 0.6)
    (run,) = tracker.runs("fonts_digits")
    assert run.metrics
    assert all(value == rounded(value) for value in run.metrics.values())


def test_a_sweep_has_its_outcome_on_its_parent_run_and_no_metric(tracker: Tracker, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text("<p>page</p>")
    parent = tracker.start_sweep("fonts_digits", "mine", "abc", {"search_space": "mine"}, {"training.epochs": 3})
    assert tracker.start_sweep("fonts_digits", "mine", "abc", {}, {"training.epochs": 3, "weights": "none"}) == parent
    assert tracker.describe_sweep("fonts_digits", "abc", "# It won", "dta wins", page)
    assert not tracker.describe_sweep("fonts_digits", "other", "", "", page)
    run = tracker._client.get_run(parent)
    assert run.data.params == {"training.epochs": "3", "weights": "none"}
    assert (run.data.tags["headline"], run.data.tags["mlflow.note.content"]) == ("dta wins", "# It won")
    assert run.data.metrics == {}
    assert [file.path for file in tracker._client.list_artifacts(parent)] == ["report.html"]


def test_the_source_that_mlflow_shows_is_the_name_of_the_command_whatever_paths_it_has() -> None:
    for command, shown in (
        ("dta-bench sweep digits --out results/mine --quiet", "dta-bench sweep"),
        ("dta-bench", "dta-bench"),
    ):
        assert source_tags({"command": command})["mlflow.source.name"].rpartition("/")[2] == shown
