"""Table cells with numbers."""

from __future__ import annotations

from dta_bench.report.document.frozen_record import Interval
from dta_bench.report.html.page import Cell
from dta_bench.spec.spelling import spell_bounds


def number_cell(value: float | None, digits: int = 1, absent: str = "") -> Cell:
    """A figure, set flush right; ``absent`` where there is none."""
    return Cell(absent if value is None else f"{value:.{digits}f}", number=True)


def count_cell(count: int) -> Cell:
    """A whole number, set flush right."""
    return Cell(str(count), number=True)


def interval_cell(bounds: Interval | None, *, signed: bool = False) -> Cell:
    """Both ends of an interval, signed where it is of a difference; empty where there is none."""
    return Cell(spell_bounds(bounds, signed=signed) if bounds else "", number=True)
