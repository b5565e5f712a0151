"""Scores with their intervals, a row a configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from dta_bench.report.html.charts.drawing import Drawing, Scale, spell_tick

WIDTH, ROW, TOP, BOTTOM = 640, 26, 8, 40


@dataclass(frozen=True)
class Dot:
    """One score with its interval; ``look`` (1 to 6) is its colour and shape."""

    name: str
    value: float
    low: float
    high: float
    look: int
    link: str | None = None
    bold: bool = False


def intervals(dots: Sequence[Dot], title: str, axis: str) -> Markup:
    """Draw a mark and a whisker for each score, in the given order from the top.

    Args:
        axis: the name of the axis.
    """
    height = TOP + ROW * len(dots) + BOTTOM
    left = min(300, 24 + 7 * max(len(dot.name) for dot in dots))
    drawing = Drawing(WIDTH, height, title)
    low, high = min(d.low for d in dots), max(d.high for d in dots)
    margin = 0.04 * (high - low) or 1.0
    x = Scale(low - margin, high + margin, left, WIDTH - 60)
    floor = height - BOTTOM
    for tick in x.ticks(6):
        drawing.line(x(tick), TOP, x(tick), floor, "rule")
        drawing.text(x(tick), floor + 17, spell_tick(tick), anchor="middle", look="soft")
    drawing.text((x.start + x.end) / 2, height - 5, axis, anchor="middle", look="soft")
    for i, dot in enumerate(dots):
        _row(drawing, dot, x, TOP + ROW * (i + 0.5))
    return drawing.svg()


def _row(drawing: Drawing, dot: Dot, x: Scale, y: float) -> None:
    name = dot.name if 7 * len(dot.name) < x.start else dot.name[: int(x.start / 7) - 1] + "…"
    drawing.text(x.start - 12, y + 4, name, anchor="end", look="bold" if dot.bold else "")
    at = drawing.linked(dot.link)
    at.line(x(dot.low), y, x(dot.high), y, f"s{dot.look}", 3)
    at.mark(x(dot.value), y, dot.look, f"f{dot.look}", f"{dot.name}: {dot.value:.1f} ({dot.low:.1f} to {dot.high:.1f})")
    drawing.text(WIDTH - 8, y + 4, f"{dot.value:.1f}", anchor="end", look="bold" if dot.bold else "")
