"""Methods against each other: paired by seed and image, and corrected for how many pairs are looked at."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from dta_bench.report.configurations import Configuration
from dta_bench.report.document.scores import Comparison
from dta_bench.report.statistics.intervals import Outcomes, interval, minus, score, standard_error
from dta_bench.report.statistics.map_intervals import MapOutcomes

LEVEL = 0.05
"""Corrected p values below it are called a difference."""


@dataclass(frozen=True)
class Pair:
    """Two methods, and the first's outcomes less the second's."""

    first: str
    second: str
    difference: Outcomes | MapOutcomes


def comparisons(chosen: Sequence[Configuration], headline: str) -> list[Comparison]:
    """Every pair of methods, each with the configuration that the rule chose for it.

    ``points`` is the first less the second on the seeds that both have; ``p`` that of :func:`paired_test`, ``p_holm``
    the same after Holm's correction for all pairs in this list. A pair without a common seed is left out.
    """
    pairs = [pair for a, b in itertools.combinations(chosen, 2) if (pair := _pair(a, b)) is not None]
    p_values = [paired_test(pair.difference, headline) for pair in pairs]
    return [
        Comparison(
            first=pair.first, second=pair.second, metric=headline, points=score(pair.difference, headline),
            ci95=interval(pair.difference, headline), seeds=pair.difference.seeds, p=p, p_holm=p_holm,
            differs=p_holm < LEVEL,
        )
        for pair, p, p_holm in zip(pairs, p_values, holm(p_values), strict=True)
    ]  # fmt: skip


def paired_test(paired: Outcomes | MapOutcomes, headline: str) -> float:
    """Two-sided p value of a mean difference of zero, over seeds and images.

    The t statistic is the difference over its standard error, in which seeds and images are independent parts; its
    degrees of freedom are Welch's and Satterthwaite's. With one seed only images count.
    """
    points, error = score(paired, headline), standard_error(paired, headline)
    if error == 0:
        return 1.0 if points == 0 else 0.0
    count = paired.seeds
    by_seed = [score(paired.of_seeds([row]), headline) for row in range(count)]
    seeds = float(np.var(by_seed, ddof=1)) / count if count > 1 else 0.0
    images = max(error**2 - seeds, 0.0)
    return float(2 * stats.t.sf(abs(points) / error, satterthwaite([seeds, images], [count - 1, _images(paired) - 1])))


def satterthwaite(variances: Sequence[float], degrees: Sequence[int]) -> float:
    """Effective degrees of freedom of a sum of independent variance estimates, by Welch and Satterthwaite.

    Args:
        variances: the estimates.
        degrees: the degrees of freedom of each; those without any are left out.
    """
    parts = sum(v**2 / d for v, d in zip(variances, degrees, strict=True) if d > 0)
    return sum(variances) ** 2 / parts if parts > 0 else float("inf")


def holm(p_values: Sequence[float]) -> list[float]:
    """p values after Holm's step-down correction (Scand. J. Stat. 1979), in the given order."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    corrected, highest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[i]))
        corrected[i] = highest
    return corrected


def _pair(a: Configuration, b: Configuration) -> Pair | None:
    """The difference of two configurations on the seeds that both have; None if they share none."""
    both = [seed for seed in a.seeds if seed in b.seeds]
    if not both:
        return None
    first, second = (c.test.of_seeds([c.seeds.index(seed) for seed in both]) for c in (a, b))
    return Pair(a.method, b.method, minus(first, second))


def _images(paired: Outcomes | MapOutcomes) -> int:
    return len(paired.labels) if isinstance(paired, Outcomes) else int(paired.images)
