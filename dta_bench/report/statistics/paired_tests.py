"""Methods against each other: which pairs differ, corrected for how many pairs are looked at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dta_bench.report.document.scores import Comparison
from dta_bench.report.statistics.crossed_model import LEVEL, CrossedModel, Floats
from dta_bench.report.statistics.pair_model import all_pairs
from dta_bench.report.statistics.seeds_needed import seeds_needed


def comparisons(methods: Sequence[str], model: CrossedModel, headline: str) -> list[Comparison]:
    """Every pair of methods, in the order given.

    ``points`` is the first less the second; ``p`` the two-sided p value of no difference, ``p_holm`` the same after
    Holm's correction for all pairs in this list. Both are never below what the two methods' own seeds show (see
    :data:`~.crossed_model.OWN_LEVEL`), so that a pair that differs has an interval without zero. A pair in which a
    method is not testable (one seed, or two that both collapsed) has no p value, and an interval over
    test images alone.
    """
    pairs = all_pairs(model)
    moderated, own = pairs.p_values()
    corrected = holm(moderated)
    half, needed = pairs.half_widths(), seeds_needed(pairs)
    found = []
    for i, (a, b) in enumerate(zip(pairs.first, pairs.second, strict=True)):
        points, testable = float(pairs.points[i]), bool(pairs.testable[i])
        p_holm = float(max(corrected[i], own[i])) if testable else None
        differs = p_holm is not None and p_holm < LEVEL
        found.append(
            Comparison(
                first=methods[a], second=methods[b], metric=headline, points=points,
                ci95=(points - float(half[i]), points + float(half[i])),
                over="seeds and images" if testable else "images",
                standard_error=float(pairs.standard_errors[i]), seeds=int(min(model.seeds[a], model.seeds[b])),
                p=float(max(moderated[i], own[i])) if testable else None, p_holm=p_holm, differs=differs,
                seeds_needed=None if differs else needed[i],
            )
        )  # fmt: skip
    return found


def holm(p_values: Floats) -> Floats:
    """p values after Holm's step-down correction (Scand. J. Stat. 1979), in the given order; NaN stays."""
    tested = np.flatnonzero(~np.isnan(p_values))
    order = tested[np.argsort(p_values[tested], kind="stable")]
    stepped = np.minimum(1, p_values[order] * np.arange(len(order), 0, -1))
    corrected = np.full(len(p_values), np.nan)
    corrected[order] = np.maximum.accumulate(stepped)
    return corrected
