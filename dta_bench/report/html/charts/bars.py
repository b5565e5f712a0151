"""Bars by class, one of each side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from dta_bench.report.html.charts.drawing import Drawing, Scale, spell_tick

WIDTH, BAR, GAP, TOP, BOTTOM = 640, 9, 9, 30, 40


def class_bars(classes: Sequence[str], sides: Mapping[str, Sequence[float | None]], title: str) -> Markup:
    """Draw a group of bars for each class.

    Args:
        sides: name → percentage (0 to 100) of each class; None, a class that a side lacks, has no bar.
    """
    group = BAR * len(sides) + GAP
    left = 24 + 7 * min(20, max(map(len, classes)))
    legend = _legend_positions(list(sides), left)
    above = TOP + 18 * legend[-1][1]
    height = above + group * len(classes) + BOTTOM
    drawing = Drawing(WIDTH, height, title)
    x, floor = Scale(0, 100, left, WIDTH - 16), height - BOTTOM
    for i, (at, line) in enumerate(legend):
        drawing.rect(at, 6 + 18 * line, 12, 10, f"f{i + 1}")
        drawing.text(at + 17, 15 + 18 * line, list(sides)[i][:60])
    for tick in x.ticks():
        drawing.line(x(tick), above, x(tick), floor, "rule")
        drawing.text(x(tick), floor + 17, spell_tick(tick), anchor="middle", look="soft")
    drawing.text((x.start + x.end) / 2, height - 5, "%", anchor="middle", look="soft")
    for row, name in enumerate(classes):
        top = above + row * group + GAP / 2
        drawing.text(left - 10, top + BAR * len(sides) / 2 + 4, name[:20], anchor="end")
        for i, (side, values) in enumerate(sides.items()):
            value = values[row]
            if value is not None:
                tip = f"{name}, {side}: {value:.1f} %"
                drawing.rect(left, top + i * BAR, x(value) - left, BAR - 1.5, f"f{i + 1}", tip)
    drawing.line(left, above, left, floor)
    return drawing.svg()


def _legend_positions(names: Sequence[str], left: float) -> list[tuple[float, int]]:
    """Where each name of the legend stands, and in which of its lines: long names must not leave the picture."""
    positions, at, line = list[tuple[float, int]](), left, 0
    for name in names:
        width = 17 + 7.2 * min(len(name), 60)
        if at > left and at + width > WIDTH:
            at, line = left, line + 1
        positions.append((at, line))
        at += width + 20
    return positions
