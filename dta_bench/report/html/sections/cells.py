"""Table cells with numbers."""

from __future__ import annotations

from dta_bench.report.document.frozen_record import Interval
from dta_bench.report.document.scores import Comparison, Difference
from dta_bench.report.html.page import Cell
from dta_bench.spec.spelling import spell_gain, spell_score_bounds


def number_cell(value: float | None, digits: int = 1, absent: str = "") -> Cell:
    """A figure, set flush right; ``absent`` where there is none."""
    return Cell(absent if value is None else f"{value:.{digits}f}", number=True)


def count_cell(count: int) -> Cell:
    """A whole number, set flush right."""
    return Cell(str(count), number=True)


def interval_cell(bounds: Interval | None) -> Cell:
    """Both ends of a score's interval; empty where there is none."""
    return Cell(spell_score_bounds(bounds) if bounds else "", number=True)


def gain_cell(gain: Difference | Comparison | None) -> Cell:
    """The interval of a difference of two scores; empty where there is none."""
    return Cell(spell_gain(gain.ci95, gain.seeds) if gain else "", number=True)
