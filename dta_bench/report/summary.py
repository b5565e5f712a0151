"""From configurations to the one object that every form of the report is drawn from."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
from typing import Any

import numpy as np

from dta_bench.domains.benchmark import Benchmark
from dta_bench.report.paper.published import published
from dta_bench.report.records import BASELINES, Configuration, comparable
from dta_bench.report.selection.compare_rules import regret
from dta_bench.report.selection.rules import Unavailable, competitors, scores
from dta_bench.report.statistics.intervals import Outcomes, interval, minus, score, standard_error
from dta_bench.report.statistics.map_intervals import MapOutcomes
from dta_bench.report.statistics.paired_tests import comparisons
from dta_bench.run.code_fingerprint import is_old_scheme
from dta_bench.tracking import STOPPED, TrackedRun

UNREADABLE = "note_unreadable"  # the tag of a run that left images out
LEADERS = 20  # rows of the leaderboard on the screen; the JSON has all


def table(benchmark: Benchmark, found: list[Configuration], runs: list[TrackedRun], rule: str) -> dict[str, Any]:
    """The report of a benchmark; accuracies in percent, intervals 95 % by bootstrap over seeds and images.

    Where runs differ in training, label subset or data, the largest comparable group is reported and the others
    are counted under ``left_out``.

    Raises:
        UserError: an unknown rule.
    """
    group = largest(found)
    ranked = _ranked(group, rule, benchmark.headline)
    eligible = competitors([c for c, _ in ranked])
    chosen = next(iter(eligible), None)
    competing = {id(c) for c in eligible}
    baseline = _baseline(group, "source_only", chosen)
    return {
        "benchmark": benchmark.name,
        "source": benchmark.source,
        "target": benchmark.target,
        "headline": benchmark.headline,
        "rule": rule,
        "runs": sum(len(c.records) for c in group),
        "left_out": len(found) - len(group),
        "compared": len(eligible),
        "too_few_seeds": sum(c.method not in BASELINES for c in group) - len(eligible),
        "subset": _subset(group[0]) | {"asked": _asked(group)},
        "selected": _named(chosen),
        "validation": _validation(chosen),
        "inflation": _inflation(chosen, benchmark.headline),
        "regret": _regret(chosen, eligible, benchmark.headline),
        "test": _test(chosen, benchmark),
        "source_only": _test(baseline, benchmark),
        "target_only": _test(_baseline(group, "target_only", chosen), benchmark),
        "difference": _difference(chosen, baseline, benchmark.headline),
        "comparisons": comparisons(_best_of_each_method([c for c, _ in ranked]), benchmark.headline),
        "leaderboard": [
            _row(c, value, id(c) in competing, benchmark.headline)
            | {"difference": _difference(c, _baseline(group, "source_only", c), benchmark.headline)}
            for c, value in ranked
        ],
        "collapsed": [r.run.name for c in group for r in c.records if r.collapsed],
        "failed": {r.name: r.tags.get("reason", "") for r in runs if r.status == "FAILED"},
        "stopped": {
            r.name: {"epoch": int(r.tags[STOPPED]), "reason": r.tags.get("reason", "")} for r in runs if _stopped(r)
        },
        "unfinished": [r.name for r in runs if r.status not in ("FINISHED", "FAILED") and not _stopped(r)],
        "whole": _whole(chosen),
        "unreadable": sorted({r.run.tags[UNREADABLE] for c in group for r in c.records if UNREADABLE in r.run.tags}),
        "old_fingerprints": sum(is_old_scheme(r.run.tags) for c in group for r in c.records),
        "published": published(benchmark.name),
        "training": group[0].records[0].spec.training.model_dump(),
        "provenance": _provenance(group),
    }


def largest(found: list[Configuration]) -> list[Configuration]:
    """The comparable group with the most runs."""
    return max(comparable(found).values(), key=lambda one: sum(len(c.records) for c in one))


def _ranked(group: list[Configuration], rule: str, headline: str) -> list[tuple[Configuration, float | None]]:
    """Best by the rule first; fewer seeds after more, baselines last; among equals what was started first."""
    values: dict[int, float | None] = {id(c): None for c in group}
    competing = competitors(group)
    values |= _values(competing, rule, headline)
    others = [c for c in group if c not in competing]
    with contextlib.suppress(Unavailable):  # what does not compete may be older, and have stored less
        values |= _values(others, rule, headline)
    pairs = [(c, values[id(c)]) for c in group]
    return sorted(pairs, key=lambda pair: (pair[0].method in BASELINES, -len(pair[0].records), -_known(pair[1])))


def _best_of_each_method(ranked: list[Configuration]) -> list[Configuration]:
    """The first of each method; on the first one's backbone and weights, lest networks be compared."""
    same = [c for c in ranked if (c.backbone, c.weights) == (ranked[0].backbone, ranked[0].weights)]
    first: dict[str, Configuration] = {}
    for configuration in same:
        first.setdefault(configuration.method, configuration)
    return list(first.values())


def _values(found: list[Configuration], rule: str, headline: str) -> dict[int, float]:
    return {id(c): value for c, value in zip(found, scores(found, rule, headline), strict=True)}


def _known(value: float | None) -> float:
    return -math.inf if value is None or math.isnan(value) else value


def _baseline(group: list[Configuration], method: str, chosen: Configuration | None) -> Configuration | None:
    """The baseline on the backbone and weights of the chosen configuration, cut to its seeds if they share any."""
    if chosen is None:
        return next((c for c in group if c.method == method), None)
    same = [c for c in group if (c.method, c.backbone, c.weights) == (method, chosen.backbone, chosen.weights)]
    if not same:
        return None
    shared = tuple(r for r in same[0].records if r.spec.seed in chosen.seeds)
    return dataclasses.replace(same[0], records=shared or same[0].records)


def _named(chosen: Configuration | None) -> dict[str, Any] | None:
    if chosen is None:
        return None
    return {"params": chosen.params, "method": chosen.method, "backbone": chosen.backbone, "weights": chosen.weights}


def _validation(chosen: Configuration | None) -> dict[str, Any] | None:
    if chosen is None:
        return None
    return {key: chosen.mean("validation", key) for key in chosen.metrics}


def _inflation(chosen: Configuration | None, headline: str) -> float | None:
    """By how many points the subset's score of what was chosen exceeds its target test score."""
    return chosen.mean("validation", headline) - chosen.mean("test", headline) if chosen else None


def _regret(chosen: Configuration | None, eligible: list[Configuration], headline: str) -> dict[str, Any] | None:
    """What the choice loses on target test against the oracle's, which reads the test labels."""
    if chosen is None:
        return None
    best = max(eligible, key=lambda c: c.mean("test", headline))
    lost = regret(chosen, best, headline)
    return {"points": lost["regret"], "ci95": lost["regret_ci95"], "oracle": best.mean("test", headline)}


def _test(chosen: Configuration | None, benchmark: Benchmark) -> dict[str, Any] | None:
    """The target test scores, averaged over seeds; ``ci95`` is that of instance accuracy."""
    if chosen is None:
        return None
    return {
        **{key: chosen.mean("test", key) for key in chosen.metrics},
        "per_class": {name: _mean([r.class_score(name) for r in chosen.records]) for name in benchmark.classes},
        **{interval_key(key): list(interval(chosen.test, key)) for key in chosen.metrics},
        "seeds": len(chosen.records),
        "by_seed": {str(r.spec.seed): r.score("test", benchmark.headline) for r in chosen.records},
    }


def _whole(chosen: Configuration | None) -> dict[str, float] | None:
    """Scores on target test with the labelled subset put back in, where it had been left out."""
    if chosen is None or not all("whole/accuracy" in record.run.metrics for record in chosen.records):
        return None
    return {key: chosen.mean("whole", key) for key in chosen.metrics}


def interval_key(metric: str) -> str:
    """Where :func:`table` keeps a metric's interval."""
    return "ci95" if metric == "accuracy" else f"ci95_{metric}"


def averages(test: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Name, key and interval's key of each average of a set of scores; for label maps of pixels, and IoU first."""
    maps = "miou" in test
    named = [("mean IoU", "miou")] if maps else []
    named += [("class mean", "mean_class_accuracy"), ("pixel accuracy" if maps else "accuracy", "accuracy")]
    return [(name, key, interval_key(key)) for name, key in named]


def _mean(values: list[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return float(np.mean(present)) if present else None


def _difference(chosen: Configuration | None, baseline: Configuration | None, headline: str) -> dict[str, Any] | None:
    """Chosen less source-only in the headline metric, in points, paired by seed and image."""
    if chosen is None or baseline is None:
        return None
    both = [seed for seed in chosen.seeds if seed in baseline.seeds]
    if not both:
        return None
    paired = minus(_of_seeds(chosen, both), _of_seeds(baseline, both))
    points, error = score(paired, headline), standard_error(paired, headline)
    return {
        "metric": headline,
        "points": points,
        "standard_error": error,
        "over": "seeds and images" if len(both) > 1 else "images",
        "ci95": list(interval(paired, headline)),
        "seeds": len(both),
        "beyond_two_standard_errors": points > 2 * error,
    }


def _of_seeds(configuration: Configuration, seeds: list[int]) -> Outcomes | MapOutcomes:
    rows = [configuration.seeds.index(seed) for seed in seeds]
    return configuration.test.of_seeds(rows)


def _row(configuration: Configuration, value: float | None, competes: bool, headline: str) -> dict[str, Any]:
    """One configuration of the leaderboard; ``value`` is what the selection rule says of it."""
    return {
        "method": configuration.method, "backbone": configuration.backbone, "params": configuration.params,
        "competes": competes, "score": value, "validation": configuration.mean("validation", headline),
        "test": configuration.mean("test", headline), "ci95": list(interval(configuration.test, headline)),
        "seeds": len(configuration.records), "collapsed": len(configuration.collapsed),
        "mlflow_run_ids": [r.run.mlflow_run_id for r in configuration.records],
    }  # fmt: skip


def differing(rows: list[dict[str, Any]]) -> list[str]:
    """Names of the parameters in which the rows of one method differ."""
    names: list[str] = []
    for method in dict.fromkeys(row["method"] for row in rows):
        points = [row["params"] for row in rows if row["method"] == method]
        names += [n for n in points[0] if n not in names and len({json.dumps(p.get(n)) for p in points}) > 1]
    return names


def _stopped(run: TrackedRun) -> bool:
    """Whether a stop rule ended it before its last epoch; it has no result."""
    return run.status == "KILLED" and STOPPED in run.tags


def _subset(configuration: Configuration) -> dict[str, Any]:
    run = configuration.records[0].run
    return run.spec.label_subset.model_dump() | {"hash": run.tags.get("subset_hash", "")}


def _asked(group: list[Configuration]) -> int:
    """How often the subset's labels were asked: once an epoch of each run, as each run counted."""
    runs = [r.run for c in group for r in c.records]
    return sum(int(run.metrics.get("validation/asked", run.spec.training.epochs)) for run in runs)


def _provenance(group: list[Configuration]) -> dict[str, list[str]]:
    runs = [r.run for c in group for r in c.records]
    keys = ("commit", "data_fingerprint", "code_fingerprint", "versions", "device")
    return {key: sorted({run.tags.get(key, "") for run in runs}) for key in keys}
