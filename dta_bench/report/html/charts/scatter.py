"""Accuracy against cost, a mark for each method, with the front of those that no other beats in both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from dta_bench.report.html.charts.drawing import Drawing, Scale, spell_tick

WIDTH, HEIGHT, LEFT, TOP, BOTTOM, RIGHT = 560, 330, 52, 14, 42, 110
LETTER = 7.2
"""About the width of a letter."""


@dataclass(frozen=True)
class Mark:
    """A method: what it costs, its score with the ends of its interval, and its look (1 to 6)."""

    name: str
    cost: float
    score: float
    low: float
    high: float
    look: int
    link: str | None = None


def front(marks: Sequence[Mark]) -> list[Mark]:
    """The marks that no other beats, cheapest first: none costs at most as much and scores at least as much."""
    kept = list[Mark]()
    for mark in sorted(marks, key=lambda one: (one.cost, -one.score)):
        if not kept or mark.score > kept[-1].score:
            kept.append(mark)
    return kept


def scatter(marks: Sequence[Mark], title: str, cost: str, score: str) -> Markup:
    """Draw marks over a logarithmic axis of cost, with whiskers, and the front as a line of steps.

    Args:
        cost: the name of the x axis.
        score: the name of the y axis.
    """
    drawing = Drawing(WIDTH, HEIGHT, title)
    xs = [math.log10(mark.cost) for mark in marks]
    margin = 0.08 * (max(xs) - min(xs)) or 0.1
    x = Scale(min(xs) - margin, max(xs) + margin, LEFT, WIDTH - RIGHT)
    low, high = min(mark.low for mark in marks), max(mark.high for mark in marks)
    y = Scale(low - 1, high + 1, HEIGHT - BOTTOM, TOP)
    _frame(drawing, x, y, cost, score)
    best = front(marks)
    steps = list[tuple[float, float]]()
    for mark in best:
        at = (x(math.log10(mark.cost)), y(mark.score))
        steps += [*([(at[0], steps[-1][1])] if steps else []), at]
    drawing.path([*steps, (x.end, steps[-1][1])], "curve axis dash2", "no other method is cheaper and better")
    for mark in marks:
        _mark(drawing, mark, x, y)
    _names(drawing, sorted(marks, key=lambda one: (one not in best, -one.score)), x, y)
    return drawing.svg()


def _mark(drawing: Drawing, mark: Mark, x: Scale, y: Scale) -> None:
    px, py = x(math.log10(mark.cost)), y(mark.score)
    at = drawing.linked(mark.link)
    at.line(px, y(mark.low), px, y(mark.high), f"s{mark.look}", 1.5)
    tip = f"{mark.name}: {mark.score:.1f} ({mark.low:.1f} to {mark.high:.1f}), cost {mark.cost:.3g}"
    at.mark(px, py, mark.look, f"f{mark.look}", tip)


def _names(drawing: Drawing, marks: Sequence[Mark], x: Scale, y: Scale) -> None:
    """Names beside their marks, over all whiskers, in the order of ``marks``; none over a mark or another name."""
    places = [(x(math.log10(mark.cost)), y(mark.score) + 4) for mark in marks]
    taken = [(px - 4, px + 4, height) for px, height in places]
    for mark, (px, height) in zip(marks, places, strict=True):
        left, right = px + 8, px + 8 + LETTER * len(mark.name)
        if all(right < start or end < left or abs(height - other) > 12 for start, end, other in taken):
            taken.append((left, right, height))
            drawing.text(left, height, mark.name, look="halo")


def _frame(drawing: Drawing, x: Scale, y: Scale, cost: str, score: str) -> None:
    floor = HEIGHT - BOTTOM
    for tick in y.ticks():
        drawing.line(LEFT, y(tick), x.end, y(tick), "rule")
        drawing.text(LEFT - 7, y(tick) + 4, spell_tick(tick), anchor="end", look="soft")
    drawing.line(LEFT, floor, x.end, floor)
    powers = range(math.floor(x.low), math.ceil(x.high) + 1)
    steps = [(p, m) for p in powers for m in ((1, 2, 5) if x.high - x.low < 3 else (1,))]
    for power, factor in steps:
        at = power + math.log10(factor)
        if x.low <= at <= x.high:
            drawing.line(x(at), floor, x(at), floor + 4)
            drawing.text(x(at), floor + 17, spell_tick(factor * 10.0**power), anchor="middle", look="soft")
    drawing.text((LEFT + x.end) / 2, HEIGHT - 6, cost, anchor="middle", look="soft")
    drawing.text(12, (TOP + floor) / 2, score, anchor="middle", look="soft", turn=-90)
