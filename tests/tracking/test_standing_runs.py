"""One run stands for each identity; a store of an earlier version is read under today's identities."""

import json
from pathlib import Path

import pytest
from small_runs import spec_of

from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.tracking import TrackedRun, Tracker, standing_runs


@pytest.fixture
def tracker(tmp_path: Path) -> Tracker:
    tracker = Tracker(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path)
    tracker.check()
    tracker.experiment(benchmark_of("fonts_digits"))
    return tracker


def run(number: int, status: str) -> TrackedRun:
    return TrackedRun(f"m{number}", "x", "a run", status, spec_of(), {}, {}, "1", "")


@pytest.mark.parametrize(
    ("statuses", "stands"),
    [
        (["FINISHED", "FINISHED"], 1), (["FINISHED", "FAILED"], 0), (["RUNNING", "FINISHED"], 1),
        (["KILLED", "FAILED"], 1), (["FAILED", "FINISHED", "RUNNING"], 1),
    ],
)  # fmt: skip
def test_the_finished_run_that_was_started_last_stands(statuses: list[str], stands: int) -> None:
    runs = [run(number, status) for number, status in enumerate(statuses)]
    standing, others = standing_runs(runs)
    assert standing == [runs[stands]]
    assert len(others) == len(runs) - 1


def test_a_run_stored_under_another_identity_is_found_by_todays(tracker: Tracker) -> None:
    spec = spec_of()
    log = tracker.open_run(spec, None, "a run", set(), {})
    tracker._client.set_tag(log.mlflow_run_id, "run_id", "0123456789ab")
    (found,) = tracker.runs("fonts_digits")
    assert (found.run_id, found.alias) == (spec.id, "0123456789ab")
    tracker.adopt([found])
    assert tracker.open_run(spec, None, "a run", set(), {}).mlflow_run_id == log.mlflow_run_id
    (found,) = tracker.runs("fonts_digits")
    assert found.alias == "0123456789ab"


def test_a_spec_of_a_newer_version_keeps_its_identity(tracker: Tracker) -> None:
    spec = spec_of()
    log = tracker.open_run(spec, None, "a run", set(), {})
    fields = spec.to_dict()
    fields["training"]["dropout"] = 0.5
    tracker._client.set_tag(log.mlflow_run_id, "spec", json.dumps(fields))
    tracker._client.set_tag(log.mlflow_run_id, "run_id", "0123456789ab")
    (found,) = tracker.runs("fonts_digits")
    assert (found.run_id, found.unknown_fields) == ("0123456789ab", ("training.dropout",))
