"""A report says which part of the network trained, and on which kept features."""

import dataclasses
from pathlib import Path

from small_runs import spec_of
from stored_runs import finish

from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.report.build import build_report
from dta_bench.report.headline_and_warnings import warnings
from dta_bench.spec.run_spec import RunSpec, Training
from dta_bench.tracking import Tracker


def test_features_that_differ_in_their_error_alone_are_told_once_with_the_largest(tmp_path: Path) -> None:
    tracker = Tracker(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path)
    tracker.check()
    tracker.experiment(benchmark_of("fonts_digits"))
    errors = {"mcc": "4.8e-04", "dann": "1.2e-03", "source_only": "9.0e-04"}
    for method in errors:
        finish(tracker, on_head(method, 0), 0.8)
    for run in tracker.runs("fonts_digits"):
        text = f"9 numbers an image, kept in float16, largest relative error {errors[run.spec.method]}"
        tracker._client.set_tag(run.mlflow_run_id, "note_features", text)
    report = build_report(tracker, "fonts_digits", "labels")
    assert report.trained_parts == [
        "tune head, a bottleneck of 9; features: 9 numbers an image, kept in float16, largest relative error 1.2e-03"
    ]


def on_head(method: str, seed: int) -> RunSpec:
    spec = spec_of(method, seed)
    return dataclasses.replace(
        spec, training=Training(**spec.training.model_dump() | {"tune": "head", "neck_width": 9})
    )


def test_the_part_and_its_features_are_told_once(tmp_path: Path) -> None:
    tracker = Tracker(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path)
    tracker.check()
    tracker.experiment(benchmark_of("fonts_digits"))
    for seed in (0, 1):
        for method in ("mcc", "source_only"):
            finish(tracker, on_head(method, seed), 0.8)
    for run in tracker.runs("fonts_digits"):
        tracker._client.set_tag(run.mlflow_run_id, "note_features", "9 numbers an image, 4 augmented views")
    report = build_report(tracker, "fonts_digits", "labels")
    said = "tune head, a bottleneck of 9; features: 9 numbers an image, 4 augmented views"
    assert report.trained_parts == [said]
    assert any(said in sentence for sentence in warnings(report))
