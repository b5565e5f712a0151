"""The effect of each parameter of a method: the mean score of the configurations with each of its values."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from dta_bench.report.document.report import Report
from dta_bench.report.document.scores import LeaderboardRow, differing_params
from dta_bench.report.html.charts.intervals import Dot, intervals
from dta_bench.report.html.page import Figure
from dta_bench.spec.spelling import count_of, spell_metric, spell_value

LEAST = 4
"""Configurations from which on marginal means are drawn; fewer show nothing that the ranking does not."""


def effect_figures(report: Report, rows: Sequence[LeaderboardRow]) -> list[Figure]:
    """Marginal means of one method's configurations, each over the other parameters; nothing of a few."""
    measured = [row for row in rows if row.test is not None]
    if len(measured) < LEAST:
        return []
    dots = [dot for look, name in enumerate(differing_params(measured)) for dot in _dots(name, measured, 1 + look % 6)]
    if not dots:
        return []
    metric = spell_metric(report.headline)
    caption = (
        f"{rows[0].method}: mean target test {metric} of the configurations with each value, of"
        f" {count_of(len(measured), 'configuration')}. The 95 % interval is over these configurations (t), where there"
        " are several. A search that took its points by results is no fair sample of them."
    )
    drawing = intervals(dots, f"Effect of each parameter of {rows[0].method}", f"target test, {metric}, %")
    return [Figure(drawing, caption)]


def _dots(name: str, rows: Sequence[LeaderboardRow], look: int) -> list[Dot]:
    """A mark for each value of a parameter, in the order of the values."""
    by_value = dict[str, list[LeaderboardRow]]()
    for row in rows:
        if name in row.params:
            by_value.setdefault(json.dumps(row.params[name]), []).append(row)
    if len(by_value) < 2:
        return []
    ordered = sorted(by_value.values(), key=lambda own: _order(own[0].params[name]))
    return [
        _dot(f"{name}={spell_value(own[0].params[name])}", [row.test or 0.0 for row in own], look) for own in ordered
    ]


def _order(value: object) -> tuple[bool, float, str]:
    is_number = isinstance(value, int | float)
    return not is_number, float(value) if is_number else 0.0, str(value)  # type: ignore[arg-type]


def _dot(label: str, scores: Sequence[float], look: int) -> Dot:
    mean = float(np.mean(scores))
    half = 0.0
    if len(scores) > 1:
        from scipy.special import stdtrit  # a report that is only shown again may do without

        half = float(stdtrit(len(scores) - 1, 0.975) * np.std(scores, ddof=1) / np.sqrt(len(scores)))
    return Dot(label, mean, mean - half, mean + half, look)
