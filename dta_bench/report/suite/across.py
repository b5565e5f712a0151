"""Methods across the pairs of a suite, as description: average ranks, win rates, and how often near the best.

No test stands beside them. Friedman's test takes pairs as independent; pairs that share a domain are not. Among methods
that are equal over domains, but that each domain suits differently, it called 5 of them different at 5 % in 18 % of
simulated suites of 3 domains, and in 69 % of 8 (``tests/report/suite/test_across.py``), so it is not shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from dta_bench.report.document.suite_report import Across

WITHIN = (0.0, 1.0, 2.0, 5.0, 10.0)
"""Points below the best method of a pair."""
WHY_NO_TEST = (
    "These are descriptions of these pairs, without a test. Pairs that share a domain are not independent, and the "
    "usual test (Friedman's, with Nemenyi's critical difference) treats them as independent. In simulated suites of 5 "
    "equal methods, each of which suits some domains better, it called methods different at 5 % in 18 % of suites of 3 "
    "domains and in 69 % of 8."
)


def across_pairs(scores: Mapping[str, Sequence[float]]) -> Across | None:
    """Describe methods across pairs.

    Args:
        scores: method → its score on each pair, the same pairs for all.

    Returns: None for fewer than two methods or two pairs.
    """
    names = list(scores)
    table = np.array([scores[name] for name in names], dtype=np.float64)
    if len(names) < 2 or table.ndim < 2 or table.shape[1] < 2:
        return None
    ranks = rankdata(-table, axis=0).mean(axis=1)
    behind = table.max(axis=0) - table
    return Across(
        ranks={name: float(rank) for name, rank in zip(names, ranks, strict=True)},
        wins={
            one: {other: _wins(table[i], table[j]) for j, other in enumerate(names) if j != i}
            for i, one in enumerate(names)
        },
        within={
            name: {f"{points:g}": float(np.mean(behind[i] <= points)) for points in WITHIN}
            for i, name in enumerate(names)
        },
        tested=False, why_not_tested=WHY_NO_TEST,
    )  # fmt: skip


def _wins(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """The share of pairs on which ``one`` is higher; a tie counts half."""
    return float(np.mean((one > other) + 0.5 * (one == other)))
