"""What a report leaves out is counted and told: specs not allowed today, second runs of a spec and seed."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
from small_runs import spec_of
from stored_runs import finish, markdown_of, screen_of

from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.errors import UserError
from dta_bench.report.build import build_report
from dta_bench.report.paper.tables import backbone_of, paper_table
from dta_bench.tracking import Tracker, store_file


@pytest.fixture
def tracker(finished_store: Path, tmp_path: Path) -> Tracker:
    folder = Path(shutil.copytree(finished_store, tmp_path / "store"))
    return Tracker(store_file.sqlite_uri(folder / "mlflow.db"), folder)


def forbid(tracker: Tracker, method: str) -> None:
    """Let the stored spec of a method's run have a value that this version does not allow."""
    (run,) = [run for run in tracker.runs("fonts_digits") if run.spec.method == method]
    spec = json.loads(run.tags["spec"])
    spec["training"]["optimizer"] = "lion<b>"
    tracker._client.set_tag(run.mlflow_run_id, "spec", json.dumps(spec))


def test_a_run_whose_spec_is_no_longer_allowed_is_counted_with_the_reason(tracker: Tracker) -> None:
    forbid(tracker, "source_only")
    report = build_report(tracker, "fonts_digits", "labels")
    assert report.runs == 1
    told = " ".join(screen_of(report).split())
    assert "Left out because this dta-bench does not allow their stored spec: 1 run (source_only seed=0:" in told
    assert "training.optimizer is 'lion<b>'" in told
    assert "lion<b>" not in markdown_of(report)


def test_a_store_that_has_nothing_else_says_so(tracker: Tracker) -> None:
    for method in ("dta", "source_only"):
        forbid(tracker, method)
    with pytest.raises(UserError, match=r"no finished run .*left out, as their spec is not allowed: 2 \(dta seed=0"):
        build_report(tracker, "fonts_digits", "labels")


def test_a_table_of_the_paper_counts_no_spec_and_seed_twice(tracker: Tracker) -> None:
    benchmark = benchmark_of("svhn_mnist")
    tracker.experiment(benchmark)
    spec = dataclasses.replace(spec_of("dta"), benchmark=benchmark.name, backbone=backbone_of(benchmark.name))
    finish(tracker, spec, 0.7)
    (first,) = tracker.runs(benchmark.name)
    tracker.supersede(first.mlflow_run_id)
    finish(tracker, spec, 0.8)
    tracker._client.set_tag(first.mlflow_run_id, "run_id", spec.id)
    assert len(tracker.runs(benchmark.name)) == 2
    (ours,) = [cell.ours for cell in paper_table(tracker, "table1").cells if cell.ours]
    assert ours.mlflow_run_ids != [first.mlflow_run_id]
    assert len(ours.mlflow_run_ids) == 1
