"""The classes of an epoch come from what its measurement has found, and stay out of what decides a run's numbers."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from small_runs import spec_of

import dta_bench
from dta_bench.domains.images import Splits
from dta_bench.evaluation import metrics
from dta_bench.evaluation.evaluator import Evaluation, LabelFreeEvaluation
from dta_bench.run import execute
from dta_bench.run.class_scores import class_rows
from dta_bench.run.code_fingerprint import Code
from dta_bench.run.execute import RunLabel
from dta_bench.run.placement import StopRequest
from dta_bench.run.resolve import resolve_on
from dta_bench.run.stacked.execute import _end_epoch, _Member
from dta_bench.run.workspace import Workspace
from dta_bench.spec.benchmark import Benchmark
from dta_bench.tracking import run_log
from dta_bench.tracking.class_record import ClassRow

NAMES = ("cat", "dog", "hen")
COUNTS = np.array([[6, 3, 1], [0, 4, 0], [0, 0, 0]])
GUESSES = np.eye(3, dtype=np.float32)[[0, 0, 0, 2]]


def measured(subset: Evaluation | None, **arrays: Any) -> Any:
    return SimpleNamespace(
        benchmark=SimpleNamespace(classes=NAMES), label_free=LabelFreeEvaluation({}, arrays),
        validation={} if subset is None else {"validation": subset},
    )  # fmt: skip


def test_each_class_has_its_recall_what_it_is_taken_for_and_how_often_it_is_predicted() -> None:
    subset = Evaluation(metrics.scores(COUNTS, NAMES), COUNTS, {})
    assert class_rows(measured(subset, logits=GUESSES), 4) == [
        ClassRow(4, "cat", 10, 60, "dog", 30, 75),
        ClassRow(4, "dog", 4, 100, "", 0, 0),
        ClassRow(4, "hen", 0, None, "", None, 25),
    ]


def test_of_label_maps_it_has_its_iou_and_the_number_of_maps_that_hold_it() -> None:
    maps = np.stack([COUNTS, np.diag([0, 4, 0])])
    subset = Evaluation(metrics.scores(maps.sum(axis=0), NAMES, True), maps.sum(axis=0), {"confusions": maps})
    cat, dog, _ = class_rows(measured(subset, pixels=GUESSES), 1)
    assert (cat.images, cat.score, cat.taken) == (1, 60, 30)
    assert (dog.images, dog.score) == (2, pytest.approx(100 * 8 / 11))


def test_without_a_labelled_subset_only_the_predictions_are_counted() -> None:
    assert class_rows(measured(None, logits=GUESSES), 1)[0] == ClassRow(1, "cat", None, None, "", None, 75)


def test_a_run_of_a_stack_keeps_them_at_its_measured_epochs() -> None:
    subset = Evaluation(metrics.scores(COUNTS, NAMES), COUNTS, {})
    run = measured(subset, logits=GUESSES)
    training = spec_of(epochs=9).training.model_copy(update={"measure_every": 2})
    run.benchmark.task, run.spec = "classification", SimpleNamespace(id="x", training=training)
    kept: list[int] = []
    log = SimpleNamespace(
        log_epoch=lambda *_: None, log_classes=lambda rows, _: kept.extend({row.epoch for row in rows})
    )  # fmt: skip
    stack: Any = SimpleNamespace(end_epoch=lambda run: setattr(run, "epoch", run.epoch + 1) or {})
    for run.epoch in (1, 2, 3, 4):
        _end_epoch(stack, _Member(run, log, {}, None), None, lambda *_: None, lambda *_: None)  # type: ignore[arg-type]
    assert kept == [2, 4]


def test_what_keeps_them_is_no_part_of_the_code_that_decides_numbers() -> None:
    package = Path(dta_bench.__file__).parent
    names = {file.name for file in Code(package).closure([])}
    assert not names & {"class_scores.py", "class_record.py", "run_log.py", "execute.py"}


def test_a_run_that_was_stopped_and_goes_on_has_every_measured_epoch_once(
    digits_benchmark: Benchmark, small_splits: Splits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace(str(tmp_path), str(tmp_path), f"sqlite:///{tmp_path / 'mlflow.db'}")
    tracker, stop, label = workspace.tracker(), StopRequest(), RunLabel(None, "a run")
    tracker.check()
    tracker.experiment(digits_benchmark)
    spec = dataclasses.replace(spec_of("source_only"), backbone="conv3_tiny")
    resolved = resolve_on(spec, digits_benchmark, small_splits)

    monkeypatch.setattr(run_log, "_figure", lambda *_: Figure(figsize=(1, 1)))  # to draw it takes longer than to train

    def stop_now(*_: Any) -> None:
        stop.requested = True

    assert execute.execute(resolved, workspace, label, stop, stop_now).status == "stopped"
    stop.requested = False
    assert execute.execute(resolved, workspace, label, stop, lambda *_: None).status == "done"
    (run,) = tracker.runs("fonts_digits")
    found = tracker.class_curves(run)
    assert found is not None
    assert [row.epoch for row in found.rows] == [1] * 10 + [2] * 10
    last = [row.score for row in found.rows[10:] if row.score is not None]
    assert np.mean(last) == pytest.approx(run.metrics["validation/mean_class_accuracy"], abs=1e-3)
