"""Differences by class, a row for each method: blue above, orange below, white at zero."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from dta_bench.report.html.charts.drawing import Drawing

CELL, ROW, HEAD, STRONGEST = 44, 24, 90, 30.0
"""Sizes in pixels; a difference of so many points has the full colour."""


def differences(rows: Mapping[str, Sequence[float | None]], classes: Sequence[str], title: str) -> Markup:
    """Draw a cell for each method and class with the difference in points; None has an empty cell."""
    left = 24 + 7 * min(22, max(map(len, rows)))
    drawing = Drawing(left + CELL * len(classes) + 60, HEAD + ROW * len(rows) + 8, title)
    for column, name in enumerate(classes):
        drawing.text(left + CELL * column + CELL / 2, HEAD - 8, name[:14], turn=-45)
    for line, (method, values) in enumerate(rows.items()):
        y = HEAD + ROW * line
        drawing.text(left - 8, y + ROW / 2 + 4, method[:22], anchor="end")
        for column, value in enumerate(values):
            x = left + CELL * column
            drawing.rect(x, y, CELL - 1, ROW - 1, "band")
            if value is not None:
                strength = min(abs(value) / STRONGEST, 1.0)
                tip = f"{method}, {classes[column]}: {value:+.1f}"
                drawing.rect(x, y, CELL - 1, ROW - 1, "f1" if value >= 0 else "f2", tip, 0.05 + 0.65 * strength)
                drawing.text(x + CELL / 2, y + ROW / 2 + 4, f"{value:+.0f}" if round(value) else "0", anchor="middle")
    return drawing.svg()
