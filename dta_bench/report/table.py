"""From configurations to the one object that every form of the report is drawn from."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from dta_bench.domains import Benchmark
from dta_bench.metrics import interval
from dta_bench.report.published import published
from dta_bench.report.records import BASELINES, Configuration, comparable
from dta_bench.report.selection import RULES, select
from dta_bench.tracking import TrackedRun

LEADERS = 20  # rows of the leaderboard on the screen; the JSON has all


def table(benchmark: Benchmark, found: list[Configuration], runs: list[TrackedRun], rule: str) -> dict[str, Any]:
    """The report of a benchmark; accuracies in percent, intervals 95 % by bootstrap over seeds and images.

    Where runs differ in training, label subset or data, the largest comparable group is reported and the others
    are counted under ``left_out``.
    """
    groups = sorted(comparable(found).values(), key=lambda group: -sum(len(c.records) for c in group))
    group = groups[0]
    chosen = select(group, rule, benchmark.headline)
    baseline = _baseline(group, "source_only", chosen)
    return {
        "benchmark": benchmark.name,
        "source": benchmark.source,
        "target": benchmark.target,
        "headline": benchmark.headline,
        "rule": rule,
        "runs": sum(len(c.records) for c in group),
        "left_out": len(found) - len(group),
        "subset": _subset(group[0]),
        "selected": _named(chosen),
        "validation": _validation(chosen),
        "test": _test(chosen),
        "source_only": _test(baseline),
        "target_only": _test(_baseline(group, "target_only", chosen)),
        "difference": _difference(chosen, baseline),
        "leaderboard": _leaderboard(group, rule, benchmark.headline),
        "collapsed": [r.run.name for c in group for r in c.records if r.result["collapsed"]],
        "failed": {r.name: r.tags.get("reason", "") for r in runs if r.status == "FAILED"},
        "unfinished": [r.name for r in runs if r.status not in ("FINISHED", "FAILED")],
        "published": published(benchmark.name),
        "training": group[0].records[0].spec.training.model_dump(),
        "provenance": _provenance(group),
    }


def _baseline(group: list[Configuration], method: str, chosen: Configuration | None) -> Configuration | None:
    """The baseline on the same backbone and weights as the chosen configuration."""
    fits = [c for c in group if c.method == method]
    same = [c for c in fits if chosen and (c.backbone, c.weights) == (chosen.backbone, chosen.weights)]
    return next(iter(same or ([] if chosen else fits)), None)


def _named(chosen: Configuration | None) -> dict[str, Any] | None:
    if chosen is None:
        return None
    return {"params": chosen.params, "method": chosen.method, "backbone": chosen.backbone, "weights": chosen.weights}


def _validation(chosen: Configuration | None) -> dict[str, Any] | None:
    if chosen is None:
        return None
    return {key: chosen.mean("validation", key) for key in ("accuracy", "mean_class_accuracy")}


def _test(chosen: Configuration | None) -> dict[str, Any] | None:
    """The target test scores, averaged over seeds; the interval is that of instance accuracy."""
    if chosen is None:
        return None
    names = list(chosen.records[0].result["test"]["per_class"])
    per_class = {n: _mean([r.result["test"]["per_class"][n] for r in chosen.records]) for n in names}
    low, high = interval([r.test_correct for r in chosen.records])
    return {
        "accuracy": chosen.mean("test", "accuracy"),
        "mean_class_accuracy": chosen.mean("test", "mean_class_accuracy"),
        "per_class": per_class,
        "ci95": [100 * low, 100 * high],
        "seeds": len(chosen.records),
        "by_seed": {str(r.spec.seed): r.result["test"]["accuracy"] for r in chosen.records},
    }


def _mean(values: list[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return float(np.mean(present)) if present else None


def _difference(chosen: Configuration | None, baseline: Configuration | None) -> dict[str, Any] | None:
    """Chosen less source-only in instance accuracy, paired by seed and image."""
    if chosen is None or baseline is None:
        return None
    other = {r.spec.seed: r.test_correct for r in baseline.records}
    pairs = [r.test_correct - other[r.spec.seed] for r in chosen.records if r.spec.seed in other]
    if not pairs:
        return None
    by_seed = 100 * np.array([pair.mean() for pair in pairs])
    low, high = interval(pairs)
    # With one seed only the images vary; the standard error then says nothing of training's own chance.
    error = (
        by_seed.std(ddof=1) / np.sqrt(len(by_seed))
        if len(by_seed) > 1
        else 100 * pairs[0].std(ddof=1) / np.sqrt(len(pairs[0]))
    )
    return {
        "points": float(by_seed.mean()),
        "standard_error": float(error),
        "over": "seeds" if len(by_seed) > 1 else "images",
        "ci95": [100 * low, 100 * high],
        "seeds": len(by_seed),
        "beyond_two_standard_errors": bool(by_seed.mean() > 2 * error),
    }


def _leaderboard(group: list[Configuration], rule: str, headline: str) -> list[dict[str, Any]]:
    """All configurations, best by the rule first; baselines last, for they do not compete."""
    rows = []
    for configuration in group:
        low, high = interval([r.test_correct for r in configuration.records], draws=500)
        rows.append({
            "method": configuration.method, "backbone": configuration.backbone, "params": configuration.params,
            "competes": configuration.method not in BASELINES, "score": RULES[rule](configuration, headline),
            "validation": configuration.mean("validation", headline), "test": configuration.mean("test", headline),
            "ci95": [100 * low, 100 * high], "seeds": len(configuration.records),
            "collapsed": len(configuration.collapsed),
            "mlflow_run_ids": [r.run.mlflow_run_id for r in configuration.records],
        })  # fmt: skip
    return sorted(rows, key=lambda row: (not row["competes"], -row["seeds"], -row["score"]))


def differing(rows: list[dict[str, Any]]) -> list[str]:
    """Names of the parameters in which the rows of one method differ."""
    names: list[str] = []
    for method in {row["method"] for row in rows}:
        points = [row["params"] for row in rows if row["method"] == method]
        names += [n for n in points[0] if n not in names and len({json.dumps(p.get(n)) for p in points}) > 1]
    return names


def _subset(configuration: Configuration) -> dict[str, Any]:
    run = configuration.records[0].run
    return run.spec.label_subset.model_dump() | {"hash": run.tags.get("subset_hash", "")}


def _provenance(group: list[Configuration]) -> dict[str, list[str]]:
    runs = [r.run for c in group for r in c.records]
    keys = ("commit", "data_fingerprint", "code_fingerprint", "versions", "device")
    return {key: sorted({run.tags.get(key, "") for run in runs}) for key in keys}
