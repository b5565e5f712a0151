"""What a page shows below the table, read from the store: curves, confusion matrices, cost, and how runs ended."""

from __future__ import annotations

import contextlib
import csv
import io
import math
from collections.abc import Sequence

import numpy as np

from dta_bench.errors import UserError
from dta_bench.report.class_falls import lost_since
from dta_bench.report.document.frozen_record import Curve
from dta_bench.report.document.one_run import IN_USE
from dta_bench.report.document.report import Report
from dta_bench.report.document.run_details import ConfusionMatrix, Cost, EndedRun, MethodCost, SeedCurves
from dta_bench.report.weak_runs import MOST_NAMES
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.declared_method import declared_method
from dta_bench.spec.method_plugin import SOURCE_ONLY_EPOCHS
from dta_bench.tracking import TrackedRun, Tracker
from dta_bench.tracking.class_record import CONFUSION

RUN_FLOPS = "run_flops_ratio"
CURVES = ("validation/", "source_validation/", "target_train/", "loss/")


def add_details(report: Report, tracker: Tracker, runs: Sequence[TrackedRun], benchmark: Benchmark) -> Report:
    """Add curves, confusion matrices, cost, unusual ends and commands to the main part of a report."""
    by_id = {run.mlflow_run_id: run for run in runs}
    sides = {name: [by_id[i] for i in row.mlflow_run_ids] for name, row in report.rows_by_side().items()}
    compared = [by_id[i] for row in report.leaderboard for i in row.every_mlflow_run_id]
    others = {method: [by_id[i] for i in row.mlflow_run_ids] for method, row in report.other_rows().items()}
    has_test = report.target_labels in ("test", "both")
    return report.with_parts(
        curves={name: [_curves(tracker, run) for run in side] for name, side in sides.items()},
        other_curves={name: [_drawn(tracker, run, report) for run in own] for name, own in others.items()} or None,
        other_classes={name: _classes(own) for name, own in others.items()} or None if has_test else None,
        confusion={name: confusion_of(tracker, side) for name, side in sides.items()} if has_test else None,
        cost=_cost(compared, runs),
        ended=[_ended(tracker, run, benchmark) for run in runs if _is_unusual(run)],
        commands=sorted({run.tags["command"] for run in compared if "command" in run.tags}),
        **({"lost_since": since} if (since := _lost_since(report, tracker, compared)) else {}),
    )


def _lost_since(report: Report, tracker: Tracker, runs: Sequence[TrackedRun]) -> dict[str, dict[str, int]]:
    """Of the first runs that nearly lost a class, since when; a warning names no more, and each is a file to read."""
    by_name = {run.name: run for run in runs}
    named = [(by_name[name], lost) for name, lost in report.lost_classes.items() if name in by_name][:MOST_NAMES]
    found = {run.name: lost_since(curves, lost) for run, lost in named if (curves := tracker.class_curves(run))}
    return {name: since for name, since in found.items() if since}


def _curves(tracker: Tracker, run: TrackedRun) -> SeedCurves:
    keys = [key for key in run.metrics if key.startswith(CURVES) and "/class/" not in key]
    curves = {key: finite(*history) for key, history in tracker.history(run, keys).items()}
    return SeedCurves(seed=run.spec.seed, mlflow_run_id=run.mlflow_run_id, metrics=curves)


def _drawn(tracker: Tracker, run: TrackedRun, report: Report) -> SeedCurves:
    """The curves that a page draws of each method; its loss is of its own kind, and is not beside others."""
    wanted = [f"validation/{report.headline}", f"source_validation/{report.headline}", "target_train/entropy"]
    histories = tracker.history(run, [key for key in [*wanted, "target_train/classes_in_use"] if key in run.metrics])
    curves = {key: finite(*history) for key, history in histories.items()}
    return SeedCurves(seed=run.spec.seed, mlflow_run_id=run.mlflow_run_id, metrics=curves)


def _classes(runs: Sequence[TrackedRun]) -> dict[str, float | None]:
    """Target test by class, mean over the seeds that measured it."""
    prefix = "test/class/"
    names = dict.fromkeys(key for run in runs for key in run.metrics if key.startswith(prefix))
    return {
        key.removeprefix(prefix): float(np.mean([run.metrics[key] for run in runs if key in run.metrics]))
        for key in names
    }


def finite(epochs: list[int], values: list[float]) -> Curve:
    """A curve without values that are not finite, which JSON cannot hold."""
    kept = [(epoch, value) for epoch, value in zip(epochs, values, strict=True) if math.isfinite(value)]
    return [epoch for epoch, _ in kept], [value for _, value in kept]


def few_classes_from(curve: Curve | None, benchmark: Benchmark) -> int | None:
    """The epoch from which on fewer than half of the classes are predicted on target train, to the end.

    Args:
        curve: how many classes are predicted, by epoch.

    Returns:
        None where there is none, and for label maps, whose classes are not expected equally often.
    """
    found = None
    for epoch, count in zip(*(curve or ([], [])), strict=True):
        few = count < len(benchmark.classes) / 2
        found = (found or epoch) if few else None
    return None if benchmark.task == "segmentation" else found


def confusion_of(tracker: Tracker, runs: Sequence[TrackedRun]) -> ConfusionMatrix:
    """Of target test, added over the runs; a row is a true class."""
    tables = [list(csv.reader(io.StringIO(tracker.read_text(run, CONFUSION)))) for run in runs]
    counts = sum(np.array([row[1:] for row in table[1:]], dtype=np.int64) for table in tables)
    return ConfusionMatrix(classes=tables[0][0][1:], counts=np.asarray(counts).tolist())


def _cost(compared: Sequence[TrackedRun], runs: Sequence[TrackedRun]) -> Cost:
    """Seconds of training; a ratio is to the median source-only run on the same backbone and device.

    FLOPs are those that a run noted; ``flops_counted`` counts the runs that did not, and were counted for this report.
    """
    timed = [run for run in compared if "seconds" in run.metrics]
    on_gpu = [run for run in timed if run.tags.get("device", "").startswith("cuda")]
    return Cost(
        runs=len(timed),
        not_finished=sum(run.status != "FINISHED" for run in runs),
        seconds=sum(run.metrics["seconds"] for run in timed),
        gpu_hours=sum(run.metrics["seconds"] for run in on_gpu) / 3600,
        flops_counted=sum(_noted_flops(run) is None for run in timed),
        by_method=_cost_by_method(timed),
    )


def _cost_by_method(timed: Sequence[TrackedRun]) -> list[MethodCost]:
    groups: dict[tuple[str, str, str], list[TrackedRun]] = {}
    for run in timed:
        groups.setdefault((run.spec.method, run.spec.backbone, run.tags.get("device", "unknown")), []).append(run)
    medians = {key: float(np.median([run.metrics["seconds"] for run in group])) for key, group in groups.items()}
    return [
        MethodCost(
            method=method, backbone=backbone, device=device, runs=len(group),
            seconds_a_run=medians[method, backbone, device],
            time_ratio=_ratio(medians[method, backbone, device], medians.get(("source_only", backbone, device))),
            flops_ratio=_flops(group),
        )
        for (method, backbone, device), group in groups.items()
    ]  # fmt: skip


def _flops(group: list[TrackedRun]) -> tuple[float, float] | None:
    """Least and most FLOPs of a run's training, in source-only runs; None where the method cannot be counted here."""
    ratios = []
    for run in group:
        if (noted := _noted_flops(run)) is None and run.spec.method != "source_only":
            from dta_bench.cost import stages  # with torch; runs that noted it need none

            try:
                noted = stages.run_flops_ratio(run.spec)
            except (UserError, ValueError, RuntimeError):  # such as a method, parameters or image size of another day
                return None
        ratios.append(1.0 if noted is None else noted)
    return min(ratios), max(ratios)


def _noted_flops(run: TrackedRun) -> float | None:
    """The FLOPs that a run noted; earlier versions noted those of a step, which is enough where all steps are equal."""
    of_step, spec = run.metrics.get("flops_ratio"), run.spec
    if (of_run := run.metrics.get(RUN_FLOPS)) is not None or of_step is None:
        return of_run
    if spec.budget is not None or spec.params.get(SOURCE_ONLY_EPOCHS):
        return None
    with contextlib.suppress(UserError):
        return of_step if declared_method(spec.method).first_stage is None else None
    return None


def _ratio(seconds: float, base: float | None) -> float | None:
    return seconds / base if base else None


def _is_unusual(run: TrackedRun) -> bool:
    return run.status != "FINISHED" or run.tags.get("collapsed") == "true"


def _ended(tracker: Tracker, run: TrackedRun, benchmark: Benchmark) -> EndedRun:
    """How an unusual run ended, the last epoch that it logged, and its scores on the labelled subset."""
    score = f"validation/{benchmark.headline}"
    history = tracker.history(run, [key for key in ("learning_rate", score, IN_USE) if key in run.metrics])
    how = "collapsed" if run.status == "FINISHED" else run.state
    since = few_classes_from(history.get(IN_USE), benchmark) if how == "collapsed" else None
    few = "predicts fewer than half of the classes" + (f", on target train from epoch {since} on" if since else "")
    usual = {"collapsed": few, "interrupted": "the same command goes on with it"}
    return EndedRun(
        name=run.name, method=run.spec.method, how=how, mlflow_run_id=run.mlflow_run_id,
        reason=run.tags.get("reason") or usual.get(how, ""),
        epoch=max((epoch for epochs, _ in history.values() for epoch in epochs), default=None),
        epochs=run.spec.training.epochs, curve=finite(*history.get(score, ([], []))),
        **({} if since is None else {"since": since}),
    )  # fmt: skip
