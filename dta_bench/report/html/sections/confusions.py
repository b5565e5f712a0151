"""Which classes are taken for which."""

from __future__ import annotations

from typing import Any

from dta_bench.report.html.charts.heat import confusion
from dta_bench.report.html.page import Figure, Section
from dta_bench.report.html.sections.spelling import SIDES, seed_links, side_name


def confusions(found: dict[str, Any]) -> Section | None:
    """The confusion matrices of the selected configuration and of the baselines, side by side."""
    if not found.get("confusion"):
        return None
    figures = [_figure(found, side) for side in found["confusion"]]
    return Section("confusions", "Which classes are taken for which", figures=figures, beside=True)


def _figure(found: dict[str, Any], side: str) -> Figure:
    held = found["confusion"][side]
    name = side_name(found, side)
    drawn = confusion(held["counts"], held["classes"], name, SIDES[side])
    caption = f"{name}: % of each true class (row) taken for each class, target test, all seeds together."
    return Figure(drawn, caption, seed_links(found, found["curves"].get(side, []), name))
