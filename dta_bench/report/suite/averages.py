"""Averages over the pairs of a suite, with intervals that respect which pairs share seeds and test images.

The average over pairs of one seed is one number: runs of one seed on several pairs may start from the same network
(source-only of one source is the same run for all its targets), so their sum, and not each of them, varies between
seeds independently. Images of different targets are independent; pairs with the same target are tested on the same
images, whose influences are therefore added before they are squared. The pairs themselves are taken as they are: no
claim is made about other pairs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dta_bench.report.configurations import Configuration
from dta_bench.report.document.frozen_record import Interval
from dta_bench.report.document.scores import Comparison
from dta_bench.report.statistics.crossed_model import Evidence, crossed_model
from dta_bench.report.statistics.outcomes import influences
from dta_bench.report.statistics.paired_tests import comparisons
from dta_bench.report.suite.chosen import PairChoice

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SuiteAverages:
    """Averages over pairs.

    Attributes:
        over: the pairs that every method has.
        average: method → mean of its scores.
        intervals: method → its 95 % interval; None where its pairs do not have the same seeds.
        seeds: method → how many seeds all pairs have.
        comparisons: tests of each two methods.
    """

    over: list[str]
    average: dict[str, float]
    intervals: dict[str, Interval | None]
    seeds: dict[str, int]
    comparisons: list[Comparison]


def average_over_pairs(choices: Sequence[PairChoice], metric: str | None = None) -> SuiteAverages:
    """Average each method over the pairs that every method has; no averages where there is no such pair.

    Args:
        metric: None takes the headline of the pairs.
    """
    methods = list(dict.fromkeys(name for choice in choices for name in choice.methods))
    common = [choice for choice in choices if all(name in choice.methods for name in methods)]
    if not common:
        return SuiteAverages([], {}, {}, {}, [])
    headline = metric or common[0].benchmark.headline
    average = {name: float(np.mean([one.methods[name].mean("test", headline) for one in common])) for name in methods}
    seeds = {name: _common_seeds([one.methods[name] for one in common]) for name in methods}
    known = {name: evidence_over_pairs(common, name, headline, own) for name, own in seeds.items() if own}
    intervals: dict[str, Interval | None] = dict.fromkeys(methods)
    tests: list[Comparison] = []
    if known:
        model = crossed_model(list(known.values()))
        halves = dict(zip(known, model.half_widths(), strict=True))
        intervals |= {
            name: (max(average[name] - float(half), 0.0), min(average[name] + float(half), 100.0))
            for name, half in halves.items()
        }
        tests = comparisons(list(known), model, headline) if len(known) > 1 else []
    over = [one.pair.key for one in common]
    return SuiteAverages(over, average, intervals, {name: len(own) for name, own in seeds.items()}, tests)


def _common_seeds(configurations: Sequence[Configuration]) -> tuple[int, ...]:
    """The seeds of a method that it has on every pair, if these are all that it has on any; else none."""
    sets = {configuration.seeds for configuration in configurations}
    return configurations[0].seeds if len(sets) == 1 else ()


def evidence_over_pairs(choices: Sequence[PairChoice], method: str, headline: str, seeds: Sequence[int]) -> Evidence:
    """What is known of a method's average over pairs, as of one score: per seed, and per image of any target."""
    share = 1 / len(choices)
    by_seed = np.zeros(len(seeds))
    moved: dict[str, Floats] = {}
    for choice in choices:
        configuration = choice.methods[method]
        values = influences(configuration.test, headline)
        by_seed += share * np.array([run.score("test", headline) for run in configuration.runs])
        key = f"{choice.pair.target} {_images(configuration)}"
        moved[key] = moved.get(key, np.zeros_like(values)) + share * values / values.shape[1]
    return evidence_of_parts(by_seed, list(moved.values()), any(c.methods[method].collapsed for c in choices))


def evidence_of_parts(by_seed: Floats, moved: Sequence[Floats], collapsed: bool = False) -> Evidence:
    """The evidence of a score that sets of independent images make up.

    Args:
        by_seed: (S,) the score of each seed.
        moved: for each set (S, N), by how many points each image moves each seed's score.
    """
    every = np.concatenate(moved, axis=1)
    seeds, images = every.shape
    values = every * images  # as if they were one set, each image's influence is N times what it moves
    averaged = values.mean(axis=0)
    residual = ((values - averaged) ** 2).sum() / ((seeds - 1) * (images - 1)) if seeds > 1 and images > 1 else 0.0
    return Evidence(by_seed, averaged, float(residual), collapsed)


def _images(configuration: Configuration) -> str:
    """Which images a configuration was tested on, in which order: pairs of one target are tested on the same."""
    ids = configuration.runs[0].fetch(["target_test_ids"]).get("target_test_ids")
    return "" if ids is None else hashlib.sha256("\n".join(map(str, ids)).encode("utf-8", "replace")).hexdigest()
