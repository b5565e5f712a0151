"""The search as parallel coordinates: an axis a parameter, a line a configuration, its score on the last axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from dta_bench.report.html.charts.drawing import Drawing, Scale, spell_tick
from dta_bench.spec.spelling import spell_value

WIDTH, HEIGHT, TOP, BOTTOM = 880, 300, 44, 18


@dataclass(frozen=True)
class Line:
    """One configuration: a value for each axis (None where it has none), its score, where it leads to."""

    name: str
    values: Sequence[Any]
    score: float
    link: str | None = None
    chosen: bool = False


def parallel(axes: Sequence[str], configurations: Sequence[Line], title: str, score: str) -> Markup:
    """Draw a line for each configuration: the higher its score, the more solid; the chosen one last, in another colour.

    Args:
        axes: the names of the axes, in the order of each line's values.
        score: the name of the last axis.
    """
    drawing = Drawing(WIDTH, HEIGHT, title)
    positions = [90 + i * (WIDTH - 200) / max(1, len(axes)) for i in range(len(axes) + 1)]
    steps = [_steps([line.values[i] for line in configurations]) for i in range(len(axes))]
    scores = [line.score for line in configurations]
    y = Scale(min(scores), max(scores), HEIGHT - BOTTOM, TOP)
    for line in sorted(configurations, key=lambda one: (one.chosen, one.score)):
        heights = [_height(line.values[i], steps[i]) for i in range(len(axes))]
        points = [*zip(positions, [*heights, y(line.score)], strict=True)]
        _draw(drawing, line, [(px, py) for px, py in points if py is not None], y)
    for i, name in enumerate(axes):
        ticks = {label: _height(value, steps[i]) or 0 for value, label in _tick_labels(steps[i])}
        _axis(drawing, positions[i], name, ticks, i)
    _axis(drawing, positions[-1], score, {spell_tick(tick): y(tick) for tick in y.ticks()}, len(axes), bold=True)
    return drawing.svg()


def _draw(drawing: Drawing, line: Line, points: list[tuple[float, float]], y: Scale) -> None:
    share = (line.score - y.low) / (y.high - y.low) if y.high > y.low else 1.0
    look = "curve s2" if line.chosen else "curve s1"
    opacity = 1.0 if line.chosen else 0.12 + 0.5 * share
    drawing.linked(line.link).path(points, look, f"{line.name}: {line.score:.1f}", opacity)
    if line.chosen:
        for x, at in points:
            drawing.mark(x, at, 2, "f2", f"{line.name}: {line.score:.1f}")


def _steps(values: Sequence[Any]) -> list[Any]:
    """The distinct values in order, numbers first by size; evenly spaced on the axis, as a finite set is."""
    present = {value for value in values if value is not None}
    return sorted(present, key=lambda v: (isinstance(v, str), v if not isinstance(v, str) else 0, str(v)))


def _height(value: Any, steps: Sequence[Any]) -> float | None:
    if value is None:
        return None
    return Scale(-0.5 if len(steps) == 1 else 0, max(len(steps) - 1, 0.5), HEIGHT - BOTTOM, TOP)(steps.index(value))


def _tick_labels(steps: Sequence[Any]) -> list[tuple[Any, str]]:
    """Values of an axis with their labels; of many values only some, because the labels must not overlap."""
    steps = steps[:: -(-len(steps) // 12)] if steps else steps
    return [(v, spell_value(v)) for v in steps]


def _axis(drawing: Drawing, x: float, name: str, ticks: dict[str, float], index: int, bold: bool = False) -> None:
    drawing.line(x, TOP, x, HEIGHT - BOTTOM)
    height = 14 if index % 2 else 28  # neighbours' names must not run into each other
    drawing.text(x, height, name, anchor="middle", look="bold" if bold else "")
    for label, at in ticks.items():
        drawing.line(x - 3, at, x + 3, at)
        aside = (x - 7, "end") if index == 0 and not bold else (x + 7, "start")  # no line runs left of the first axis
        drawing.text(aside[0], at + 4, label[:18], anchor=aside[1], look="soft halo")
