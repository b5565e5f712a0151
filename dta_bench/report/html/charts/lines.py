"""Lines over an axis: learning curves, regret against budget, regret against labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from dta_bench.report.html.charts.drawing import Drawing, Scale, spell_tick

WIDTH, LEFT, TOP, BOTTOM = 560, 52, 16, 42
NAMES_WIDTH = 170


@dataclass(frozen=True)
class Series:
    """One line: its name, its points, and its look (colour, dash and shape, 1 to 6).

    ``low`` and ``high`` bound a band around it; ``link`` is the address that it leads to; ``ends`` says why it ends
    early and marks its last point; ``named`` puts its name at the right.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    look: int
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    link: str | None = None
    ends: str = ""
    dash: int = 0
    """How its line is broken, 1 to 6; 0: as its look says."""
    named: bool = True
    group: str = ""
    """The name by which a reader shows and hides it; empty: it is always there."""
    hidden: bool = False
    """Whether a reader has to show it first; where that is done its name stands, not beside its end."""


@dataclass(frozen=True)
class Axes:
    """Title and names of the axes; ``span`` shades a part of the x axis, and ``span_name`` names that part."""

    title: str
    x: str
    y: str
    height: int = 260
    logarithmic: bool = False
    span: tuple[float, float] | None = None
    span_name: str = ""
    from_zero: bool = False


def lines(series: Sequence[Series], axes: Axes) -> Markup:
    """Draw the series in one frame, with their names at the right in the order of their last values."""
    shown = [_finite(one, axes.logarithmic) for one in series]
    shown = [one for one in shown if one.x]
    drawing = Drawing(WIDTH, axes.height, axes.title)
    x, y = _scales(shown, axes)
    _frame(drawing, shown, x, y, axes)
    for one in shown:
        _draw(drawing.grouped(one.group, one.hidden) if one.group else drawing, one, x, y, axes)
    _name(drawing, [one for one in shown if one.named and not one.hidden], y)
    return drawing.svg()


def _finite(one: Series, logarithmic: bool) -> Series:
    keep = [
        i
        for i in range(len(one.x))
        if math.isfinite(one.x[i]) and math.isfinite(one.y[i]) and (one.x[i] > 0 or not logarithmic)
    ]
    part = {
        key: [values[i] for i in keep] if values else []
        for key, values in {"x": one.x, "y": one.y, "low": one.low, "high": one.high}.items()
    }
    return replace(one, x=part["x"], y=part["y"], low=part["low"], high=part["high"])


def _scales(shown: Sequence[Series], axes: Axes) -> tuple[Scale, Scale]:
    xs = [_along(v, axes) for one in shown for v in one.x] or [0.0, 1.0]
    ys = [v for one in shown for values in (one.y, one.low, one.high) for v in values] or [0.0, 1.0]
    low, high = min(ys), max(ys)
    margin = 0.06 * (high - low) or max(abs(high) * 0.1, 0.5)
    bottom = min(0.0, low) if axes.from_zero else low - margin
    return (
        Scale(float(min(xs)), float(max(xs)), LEFT, WIDTH - NAMES_WIDTH),
        Scale(bottom, high + margin, axes.height - BOTTOM, TOP),
    )


def _along(value: float, axes: Axes) -> float:
    return math.log10(value) if axes.logarithmic else value


def _frame(drawing: Drawing, shown: Sequence[Series], x: Scale, y: Scale, axes: Axes) -> None:
    floor = axes.height - BOTTOM
    if axes.span:
        left, right = (x(min(max(_along(v, axes), x.low), x.high)) for v in axes.span)
        drawing.rect(left, TOP, right - left, floor - TOP, "band")
        drawing.text(right, TOP - 4, axes.span_name, anchor="end", look="soft")  # above, where no line runs
    counted = all(float(v).is_integer() for one in shown for v in one.y)
    for tick in (tick for tick in y.ticks() if tick.is_integer() or not counted):
        drawing.line(LEFT, y(tick), x.end, y(tick), "rule")
        drawing.text(LEFT - 7, y(tick) + 4, spell_tick(tick), anchor="end", look="soft")
    drawing.line(LEFT, floor, x.end, floor)
    for at, label in _x_ticks(x, axes):
        drawing.line(x(at), floor, x(at), floor + 4)
        drawing.text(x(at), floor + 17, label, anchor="middle", look="soft")
    drawing.text((LEFT + x.end) / 2, axes.height - 6, axes.x, anchor="middle", look="soft")
    drawing.text(12, (TOP + floor) / 2, axes.y, anchor="middle", look="soft", turn=-90)


def _x_ticks(x: Scale, axes: Axes) -> list[tuple[float, str]]:
    if not axes.logarithmic:
        counted = x.low.is_integer() and x.high.is_integer()  # epochs, labels
        return [(tick, spell_tick(tick)) for tick in x.ticks(6) if tick.is_integer() or not counted]
    powers = range(math.floor(x.low), math.ceil(x.high) + 1)
    ticks = [(math.log10(m * 10.0**p), spell_tick(m * 10.0**p)) for p in powers for m in (1, 2, 5)]
    return [(at, label) for at, label in ticks if x.low - 1e-9 <= at <= x.high + 1e-9]


def _draw(drawing: Drawing, one: Series, x: Scale, y: Scale, axes: Axes) -> None:
    xs = [x(_along(v, axes)) for v in one.x]
    if one.low and one.high:
        upper = list(zip(xs, map(y, one.high), strict=True))
        lower = list(zip(xs, map(y, one.low), strict=True))
        drawing.area([*upper, *reversed(lower)], f"f{one.look}")
    at = drawing.linked(one.link)
    tip = f"{one.name}: {one.y[-1]:.4g} at {one.x[-1]:g}"
    if len(xs) > 1:
        at.path(zip(xs, map(y, one.y), strict=True), f"curve s{one.look} dash{one.dash or one.look}", tip)
    if one.ends or len(xs) == 1:
        at.mark(xs[-1], y(one.y[-1]), one.look, f"f{one.look}", f"{tip} {one.ends}".strip())


def _name(drawing: Drawing, shown: Sequence[Series], y: Scale) -> None:
    """Each line's name at the right, at its end's height, moved down where names would overlap."""
    below = 0.0
    ordered = sorted(shown, key=lambda one: -one.y[-1])
    room = drawing.height - BOTTOM
    for left, one in zip(range(len(ordered), 0, -1), ordered, strict=True):
        at = min(max(y(one.y[-1]) + 4, below + 15), room - 15 * (left - 1) + 8)
        start = WIDTH - NAMES_WIDTH + 10
        own = drawing.grouped(one.group) if one.group else drawing
        own.line(start, at - 4, start + 22, at - 4, f"curve s{one.look} dash{one.dash or one.look}")
        if one.ends:
            own.mark(start + 11, at - 4, one.look, f"f{one.look}")
        own.text(start + 28, at, one.name if len(one.name) <= 20 else one.name[:19] + "…")
        below = at
