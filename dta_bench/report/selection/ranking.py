"""Configurations in the order of a selection rule, and what the rule chooses of each method."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence

from dta_bench.report.baselines import baselines
from dta_bench.report.configurations import Configuration
from dta_bench.report.selection.rules import Unavailable, competitors, scores


def rank(group: Sequence[Configuration], rule: str, headline: str) -> list[tuple[Configuration, float | None]]:
    """Each configuration with its score by a rule, best first.

    Fewer seeds come after more, baselines last; among equals comes first what was started first.

    Raises:
        UserError: an unknown rule.
    """
    values: dict[int, float | None] = {id(c): None for c in group}
    competing = competitors(group)
    values |= _scores_by_id(competing, rule, headline)
    others = [c for c in group if c not in competing]
    with contextlib.suppress(Unavailable):  # what does not compete may be older, and have stored less
        values |= _scores_by_id(others, rule, headline)
    pairs = [(c, values[id(c)]) for c in group]
    beside = baselines(c.method for c in group)
    return sorted(pairs, key=lambda pair: (pair[0].method in beside, -len(pair[0].runs), -_sort_value(pair[1])))


def choices(ranked: Sequence[Configuration]) -> list[Configuration]:
    """What the rule chooses of each method on each backbone with each weights, in the order of the ranking."""
    first: dict[tuple[str, str, str], Configuration] = {}
    for configuration in ranked:
        first.setdefault((configuration.method, configuration.backbone, configuration.weights), configuration)
    return list(first.values())


def _scores_by_id(group: Sequence[Configuration], rule: str, headline: str) -> dict[int, float]:
    return {id(c): value for c, value in zip(group, scores(group, rule, headline), strict=True)}


def _sort_value(value: float | None) -> float:
    return -math.inf if value is None or math.isnan(value) else value
