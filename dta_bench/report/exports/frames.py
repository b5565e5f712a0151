"""A report's tables as data frames with typed columns: the ranking, the classes, and all runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from dta_bench.report.configurations import StoredRun
from dta_bench.report.confirmation_sentences import interval_over
from dta_bench.report.document.report import Report
from dta_bench.report.document.scores import LeaderboardRow, differing_params
from dta_bench.report.labels import label_row
from dta_bench.spec.seeds import is_confirmation
from dta_bench.tracking import STOPPED

PROVENANCE = ("commit", "device", "data_fingerprint", "code_fingerprint", "weights_fingerprint", "command", "reason")
AVERAGES = ("accuracy", "mean_class_accuracy", "miou")


def ranked_frame(report: Report) -> pd.DataFrame:
    """The leaderboard, a row a configuration; ``rank`` is empty for what the rule could not choose."""
    names, several = differing_params(report.leaderboard), len({row.backbone for row in report.leaderboard}) > 1
    rows = [
        _ranked_row(row, number, label_row(row, names, several), report)
        for number, row in enumerate(report.leaderboard, start=1)
    ]
    return _typed(rows)


def _ranked_row(row: LeaderboardRow, number: int, label: str, report: Report) -> dict[str, Any]:
    low, high = row.ci95 or (None, None)
    difference = row.difference
    return {
        "rank": number if row.competes else None, "configuration": label, "method": row.method,
        "backbone": row.backbone, "rule": report.rule, "metric": report.headline, "score": row.score,
        "validation": row.validation, "test": row.test, "test_low": low, "test_high": high,
        "interval_over": interval_over(row) or None, "seeds": row.seeds, "confirmed": row.confirmed,
        "band": row.band, "chance_of_best": row.chance_of_best,
        "collapsed": row.collapsed, "gain_over_source_only": difference.points if difference else None,
        "gain_low": difference.ci95[0] if difference else None, "gain_high": difference.ci95[1] if difference else None,
        **{f"param_{name}": value for name, value in row.params.items()},
    }  # fmt: skip


def class_frame(report: Report) -> pd.DataFrame:
    """Target test class by class, then its averages; a column for each side. Empty without a labelled test."""
    sides = report.scores_by_side()
    if not sides:
        return pd.DataFrame({"kind": [], "name": []})
    classes = next(iter(sides.values())).per_class
    rows: list[dict[str, Any]] = [
        {"kind": "class", "name": name, **{side: scores.per_class.get(name) for side, scores in sides.items()}}
        for name in classes
    ]
    for metric in (*AVERAGES, "calibration_error", "brier"):
        values = {side: getattr(scores, metric) for side, scores in sides.items()}
        if any(value is not None for value in values.values()):
            rows.append({"kind": "average", "name": metric, **values})
    return _typed(rows)


def runs_frame(runs: Sequence[StoredRun], reported: set[str]) -> pd.DataFrame:
    """All runs, a row each, finished or not.

    Args:
        reported: MLflow ids of the runs in the report's leaderboard.
    """
    return _typed([_run_row(run, run.tracked.mlflow_run_id in reported) for run in runs])


def _run_row(run: StoredRun, in_report: bool) -> dict[str, Any]:
    spec, tracked = run.spec, run.tracked
    calibration = run.test_calibration if tracked.status == "FINISHED" else None
    scores = {key.replace("/", "_"): value for key, value in tracked.metrics.items() if _is_score(key)}
    return {
        "run_id": tracked.run_id, "mlflow_run_id": tracked.mlflow_run_id, "name": tracked.name,
        "status": tracked.status, "in_report": in_report, "benchmark": spec.benchmark, "method": spec.method,
        "backbone": spec.backbone, "weights": spec.weights, "seed": spec.seed,
        "confirmation": is_confirmation(spec.seed), "collapsed": tracked.tags.get("collapsed") == "true",
        "stopped_epoch": int(tracked.tags[STOPPED]) if STOPPED in tracked.tags else None,
        **dict(sorted(scores.items())),
        "test_calibration_error": calibration.error if calibration else None,
        "test_brier": calibration.brier if calibration else None,
        "seconds": tracked.metrics.get("seconds"), "flops_ratio": tracked.metrics.get("flops_ratio"),
        "run_flops_ratio": tracked.metrics.get("run_flops_ratio"),
        "budget": spec.budget.of if spec.budget else None,
        **{f"param_{name}": value for name, value in spec.params.items()},
        **{f"training_{name}": _plain(value) for name, value in spec.training.model_dump().items()},
        **{f"labels_{name}": value for name, value in spec.label_subset.model_dump().items()},
        **{name: tracked.tags.get(name) for name in PROVENANCE},
    }  # fmt: skip


def _is_score(key: str) -> bool:
    part, _, metric = key.partition("/")
    return part in ("test", "validation", "source_validation", "whole", "enlarged_labels") and (
        metric in AVERAGES or metric.startswith("class/")
    )


def _plain(value: Any) -> Any:
    """Numbers and words as they are; a size as ``512x1024``."""
    return "x".join(map(str, value)) if isinstance(value, tuple | list) else value


def _typed(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """A frame whose columns are whole numbers, floats, booleans or text; a column of several kinds is text."""
    frame = pd.DataFrame(list(rows)).convert_dtypes()
    for name in frame.columns:
        if frame[name].dtype == object:
            kept = frame[name].notna()
            frame[name] = frame[name].astype(str).where(kept, None).astype("string")
    return frame
