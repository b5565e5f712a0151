"""What a page shows beside the table, read from the store: curves, confusion matrices, cost, and how runs ended."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from dta_bench.errors import UserError
from dta_bench.report.records import BASELINES
from dta_bench.tracking import TrackedRun, Tracker

CURVES = ("validation/", "source_validation/", "target_train/", "loss/")


def details(tracker: Tracker, runs: list[TrackedRun], found: dict[str, Any]) -> dict[str, Any]:
    """Everything below the table of ``found``, the object of :func:`dta_bench.report.summary.table`."""
    by_id = {run.mlflow_run_id: run for run in runs}
    sides = {name: [by_id[i] for i in row["mlflow_run_ids"]] for name, row in _sides(found).items()}
    compared = [by_id[i] for row in found["leaderboard"] for i in row["mlflow_run_ids"]]
    return {
        "curves": {name: [_curves(tracker, run) for run in side] for name, side in sides.items()},
        "confusion": {name: _confusion(tracker, side) for name, side in sides.items()},
        "cost": _cost(compared, runs),
        "ended": [_ended(tracker, run, found["headline"]) for run in runs if _remarkable(run)],
        "commands": sorted({run.tags["command"] for run in compared if "command" in run.tags}),
    }


def _sides(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The rows of the leaderboard whose runs are looked into: the selected one, and the baselines beside it."""
    rows, selected = found["leaderboard"], found["selected"]
    sides = {"selected": next((row for row in rows if row["competes"]), None) if selected else None}
    for method in BASELINES:
        same = (row for row in rows if row["method"] == method)
        sides[method] = next((r for r in same if not selected or r["backbone"] == selected["backbone"]), None)
    return {name: row for name, row in sides.items() if row}


def _curves(tracker: Tracker, run: TrackedRun) -> dict[str, Any]:
    keys = [key for key in run.metrics if key.startswith(CURVES) and "/class/" not in key]
    told = {key: _plain(*history) for key, history in tracker.history(run, keys).items()}
    return {"seed": run.spec.seed, "mlflow_run_id": run.mlflow_run_id, "metrics": told}


def _plain(epochs: list[int], values: list[float]) -> list[list[float]]:
    """Two lists, without what is not finite, which JSON has no word for."""
    kept = [(epoch, value) for epoch, value in zip(epochs, values, strict=True) if math.isfinite(value)]
    return [[epoch for epoch, _ in kept], [value for _, value in kept]]


def _confusion(tracker: Tracker, runs: list[TrackedRun]) -> dict[str, Any]:
    """Of target test, added over seeds; a row is a true class."""
    tables = [list(csv.reader(io.StringIO(tracker.text(run, "confusion.csv")))) for run in runs]
    counts = sum(np.array([row[1:] for row in table[1:]], dtype=np.int64) for table in tables)
    return {"classes": tables[0][0][1:], "counts": np.asarray(counts).tolist()}


def _cost(compared: list[TrackedRun], runs: list[TrackedRun]) -> dict[str, Any]:
    """Seconds of training; a ratio is to the median source-only run on the same backbone, device and epochs.

    FLOPs are those that a run noted; ``flops_counted`` counts the runs that did not, and were counted for this report.
    """
    timed = [run for run in compared if "seconds" in run.metrics]
    groups: dict[tuple[str, str, str], list[TrackedRun]] = {}
    for run in timed:
        groups.setdefault((run.spec.method, run.spec.backbone, run.tags.get("device", "unknown")), []).append(run)
    medians = {key: float(np.median([run.metrics["seconds"] for run in group])) for key, group in groups.items()}
    return {
        "runs": len(timed),
        "not_finished": sum(run.status != "FINISHED" for run in runs),
        "seconds": sum(run.metrics["seconds"] for run in timed),
        "gpu_hours": sum(r.metrics["seconds"] for r in timed if r.tags.get("device", "").startswith("cuda")) / 3600,
        "flops_counted": sum("flops_ratio" not in run.metrics for run in timed),
        "by_method": [
            {
                "method": method, "backbone": backbone, "device": device, "runs": len(group),
                "seconds_a_run": medians[method, backbone, device],
                "time_ratio": _ratio(medians[method, backbone, device], medians.get(("source_only", backbone, device))),
                "flops_ratio": _flops(group),
            }
            for (method, backbone, device), group in groups.items()
        ],
    }  # fmt: skip


def _flops(group: list[TrackedRun]) -> list[float] | None:
    """Least and most FLOPs of a step, in source-only steps; None where the method cannot be counted here."""
    found = []
    for run in group:
        if (noted := run.metrics.get("flops_ratio")) is None and run.spec.method != "source_only":
            from dta_bench.cost import flops  # with torch; runs that noted it need none

            try:
                noted = flops.flops_ratio(run.spec)
            except UserError:
                return None
        found.append(1.0 if noted is None else noted)
    return [min(found), max(found)]


def _ratio(seconds: float, base: float | None) -> float | None:
    return seconds / base if base else None


def _remarkable(run: TrackedRun) -> bool:
    return run.status != "FINISHED" or run.tags.get("collapsed") == "true"


def _ended(tracker: Tracker, run: TrackedRun, headline: str) -> dict[str, Any]:
    """How a run ended that did not simply finish, the last epoch that it told of, and its score on the subset."""
    score = f"validation/{headline}"
    told = tracker.history(run, [key for key in ("learning_rate", score) if key in run.metrics])
    how = {"FINISHED": "collapsed", "FAILED": "failed", "KILLED": "stopped"}.get(run.status, run.status.lower())
    usual = {"collapsed": "predicts fewer than half of the classes", "stopped": "interrupted before its last epoch"}
    return {
        "name": run.name, "method": run.spec.method, "how": how, "mlflow_run_id": run.mlflow_run_id,
        "reason": run.tags.get("reason") or usual.get(how, ""),
        "epoch": max(_epochs(told.values()), default=None), "epochs": run.spec.training.epochs,
        "curve": _plain(*told.get(score, ([], []))),
    }  # fmt: skip


def _epochs(told: Iterable[tuple[list[int], list[float]]]) -> list[int]:
    return [epoch for epochs, _ in told for epoch in epochs]
