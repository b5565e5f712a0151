"""A configuration's scores, averaged over its seeds, as a report holds them."""

from __future__ import annotations

from typing import Any

import numpy as np

from dta_bench.report.configurations import Configuration
from dta_bench.report.document.scores import Averages, ReliabilityBin, TargetScores
from dta_bench.report.uncertainty import Uncertainty
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.seeds import is_confirmation


def averages(chosen: Configuration | None, part: str) -> Averages | None:
    """The averages on a part of the data; None where the runs were not measured on it."""
    if chosen is None or not chosen.has(part):
        return None
    return Averages(**{key: chosen.mean(part, key) for key in chosen.metrics})


def target_scores(chosen: Configuration | None, benchmark: Benchmark, uncertainty: Uncertainty) -> TargetScores | None:
    """Target test scores with intervals; None where nothing was chosen or target test was not measured."""
    if chosen is None or not chosen.has("test"):
        return None
    intervals = {
        "ci95" if key == "accuracy" else f"ci95_{key}": uncertainty.interval(chosen, key) for key in chosen.metrics
    }  # fmt: skip
    per_class = {name: _mean([r.class_score(name) for r in chosen.runs]) for name in benchmark.classes}
    by_seed = {str(r.spec.seed): r.score("test", benchmark.headline) for r in chosen.runs}
    means = {key: chosen.mean("test", key) for key in chosen.metrics}
    return TargetScores.model_validate(
        means | intervals | {
            "per_class": per_class, "seeds": len(chosen.runs), "by_seed": by_seed,
            "confirmed": is_confirmation(chosen.runs[0].spec.seed),
        } | _calibration(chosen)
    )  # fmt: skip


def _calibration(chosen: Configuration) -> dict[str, Any]:
    """Calibration error and Brier score, mean over seeds; empty where a run stored no logits."""
    found = [run.test_calibration for run in chosen.runs]
    present = [one for one in found if one is not None]
    if not present or len(present) < len(found):
        return {}
    return {
        "calibration_error": float(np.mean([one.error for one in present])),
        "brier": float(np.mean([one.brier for one in present])),
        "reliability": _reliability(sum(one.bins for one in present)),
    }


def _reliability(sums: Any) -> list[ReliabilityBin]:
    """The bins that hold images."""
    images, confidence, right = sums
    return [
        ReliabilityBin(confidence=confidence[i] / n, accuracy=right[i] / n, share=n / images.sum())
        for i, n in enumerate(images)
        if n
    ]


def _mean(values: list[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return float(np.mean(present)) if present else None
