"""A confusion matrix in shares of the true class."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from dta_bench.report.html.charts.drawing import Drawing


def confusion(matrix: Sequence[Sequence[int]], classes: Sequence[str], title: str, look: int = 1) -> Markup:
    """Draw a confusion matrix; a cell is darker the larger its share of the row, and names shares of 1 % and more.

    Args:
        matrix: counts (K, K); a row is a true class.
        look: the colour, 1 to 6.
    """
    cell = 44 if len(classes) <= 12 else 30
    left = 30 + 7 * min(16, max(map(len, classes)))
    size = cell * len(classes)
    drawing = Drawing(left + size + 8, 26 + size + left - 20, title)
    drawing.text(left, 12, title, look="bold")
    for row, (name, counts) in enumerate(zip(classes, matrix, strict=True)):
        y, total = 26 + row * cell, sum(counts)
        drawing.text(left - 8, y + cell / 2 + 4, name[:16], anchor="end")
        drawing.text(left + row * cell + cell / 2, 26 + size + 14, name[:16], anchor="end", turn=-45)
        for column, count in enumerate(counts):
            share = count / total if total else 0.0
            _cell(
                drawing, left + column * cell, y, cell, share, f"{name} predicted as {classes[column]}: {count}", look
            )
    return drawing.svg()


def _cell(drawing: Drawing, x: float, y: float, size: float, share: float, tip: str, look: int) -> None:
    drawing.rect(x, y, size - 1, size - 1, "band", tip)
    if share > 0:
        drawing.rect(x, y, size - 1, size - 1, f"f{look}", f"{tip} ({100 * share:.1f} %)", 0.08 + 0.6 * share)
    if share >= 0.01:
        drawing.text(x + size / 2, y + size / 2 + 4, f"{100 * share:.0f}", anchor="middle")
