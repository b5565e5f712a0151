"""Bars by class, one of each side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from dta_bench.report.figures.drawing import Drawing, Scale, spelled

WIDTH, BAR, GAP, TOP, BOTTOM = 640, 9, 9, 30, 40


def class_bars(classes: Sequence[str], sides: Mapping[str, Sequence[float | None]], title: str) -> Markup:
    """Percentages 0 to 100; a class that a side lacks has no bar."""
    group = BAR * len(sides) + GAP
    height = TOP + group * len(classes) + BOTTOM
    left = 24 + 7 * min(20, max(map(len, classes)))
    drawing = Drawing(WIDTH, height, title)
    x, floor = Scale(0, 100, left, WIDTH - 16), height - BOTTOM
    _legend(drawing, list(sides), left)
    for tick in x.ticks():
        drawing.line(x(tick), TOP, x(tick), floor, "rule")
        drawing.text(x(tick), floor + 17, spelled(tick), anchor="middle", look="soft")
    drawing.text((x.start + x.end) / 2, height - 5, "%", anchor="middle", look="soft")
    for row, name in enumerate(classes):
        top = TOP + row * group + GAP / 2
        drawing.text(left - 10, top + BAR * len(sides) / 2 + 4, name[:20], anchor="end")
        for i, (side, values) in enumerate(sides.items()):
            value = values[row]
            if value is not None:
                tip = f"{name}, {side}: {value:.1f} %"
                drawing.rect(left, top + i * BAR, x(value) - left, BAR - 1.5, f"f{i + 1}", tip)
    drawing.line(left, TOP, left, floor)
    return drawing.svg()


def _legend(drawing: Drawing, names: Sequence[str], left: float) -> None:
    at = left
    for i, name in enumerate(names):
        drawing.rect(at, 6, 12, 10, f"f{i + 1}")
        drawing.text(at + 17, 15, name)
        at += 17 + 7 * len(name) + 20
