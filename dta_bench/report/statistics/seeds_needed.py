"""How many seeds would show a difference that the data do not show."""

from __future__ import annotations

import dataclasses

import numpy as np

from dta_bench.report.document.scores import SeedsNeeded
from dta_bench.report.statistics.crossed_model import LEAST_COLLAPSED_SEEDS, LEVEL, Floats, Ints
from dta_bench.report.statistics.pair_model import PairModel

MOST_SEEDS = 50
"""More than these are not counted: nobody trains them, and the answer rests on a variance of few seeds."""


def seeds_needed(pairs: PairModel) -> list[SeedsNeeded]:
    """For each pair the least seeds of both methods with which a difference would be shown, after the correction.

    ``at_least`` supposes that the difference is as large as the farther end of its interval, ``as_seen`` that it is the
    one seen. The variances are those of today, and images stay as they are: what more seeds cannot show, only more
    test images can. Always more than the pair has, for as many have not shown it. None: more than :data:`MOST_SEEDS`.
    """
    count = max(int(pairs.testable.sum()), 1)
    widths = np.stack([_half_widths(pairs, seeds, LEVEL / count) for seeds in range(2, MOST_SEEDS + 1)])
    seen = np.abs(pairs.points)
    largest = seen + pairs.half_widths()
    seeds = pairs.model.seeds
    collapsed = (pairs.model.collapsed >= seeds) & (seeds > 1)
    fewest = np.where(collapsed[pairs.first] | collapsed[pairs.second], LEAST_COLLAPSED_SEEDS, 2)
    fewest = np.maximum(fewest, np.minimum(seeds[pairs.first], seeds[pairs.second]) + 1)
    return [
        SeedsNeeded(at_least=most, as_seen=least)
        for most, least in zip(_first_below(widths, largest, fewest), _first_below(widths, seen, fewest), strict=True)
    ]


def _half_widths(pairs: PairModel, seeds: int, level: float) -> Floats:
    """Half the width (P,) that each pair would have with so many seeds of every method."""
    model = pairs.model
    variances = model.moderated.variances
    more = dataclasses.replace(model, own_variances=variances, seeds=np.full_like(model.seeds, seeds))
    future = PairModel(more, pairs.first, pairs.second)
    return np.maximum(future.moderated_half_widths(level), future.own_half_widths())


def _first_below(widths: Floats, distances: Floats, fewest: Ints) -> list[int | None]:
    seeds = np.arange(2, MOST_SEEDS + 1)[:, None]
    below = (widths < distances) & (seeds >= fewest)  # (seeds, P)
    return [int(column.argmax()) + 2 if column.any() else None for column in below.T]
