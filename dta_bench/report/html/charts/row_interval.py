"""A score with its interval, drawn in one cell of a table; all rows share a scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from dta_bench.report.document.frozen_record import Interval
from dta_bench.report.html.charts.drawing import Drawing, Scale

WIDTH, HEIGHT, MARGIN = 220, 18, 6


@dataclass(frozen=True)
class RowScale:
    """The ends of the scale that the rows share, and the score that a dashed line marks in each row."""

    low: float
    high: float
    reference: float | None = None


def row_scale(bounds: Sequence[Interval], reference: float | None) -> RowScale | None:
    """A scale on which all intervals lie, from one whole number to another; None where there are none."""
    if not bounds:
        return None
    ends = [end for pair in bounds for end in pair] + ([] if reference is None else [reference])
    low, high = math.floor(min(ends)), math.ceil(max(ends))
    return RowScale(low, high, reference)


def row_interval(value: float, bounds: Interval, scale: RowScale, look: int) -> Markup:
    """Draw a mark at ``value`` and a whisker from end to end, on the common scale."""
    said = f"{value:.1f} ({bounds[0]:.1f} to {bounds[1]:.1f})"
    drawing = Drawing(WIDTH, HEIGHT, said)
    x, y = Scale(scale.low, scale.high, MARGIN, WIDTH - MARGIN), HEIGHT / 2
    drawing.line(x.start, y, x.end, y, "rule")
    if scale.reference is not None:
        drawing.line(x(scale.reference), 1, x(scale.reference), HEIGHT - 1, "axis dash2")
    drawing.line(x(bounds[0]), y, x(bounds[1]), y, f"s{look}", 3)
    drawing.mark(x(value), y, look, f"f{look}", said)
    return drawing.svg()
