"""Methods against each other: which differences are more than chance."""

from __future__ import annotations

from collections.abc import Sequence

from dta_bench.report.confirmation_sentences import untested_sentences
from dta_bench.report.document.report import Report
from dta_bench.report.document.scores import Comparison
from dta_bench.report.html.page import Cell, Section, Table
from dta_bench.report.html.sections.cells import count_cell, gain_cell
from dta_bench.spec.spelling import spell_metric

OPEN_PAIRS = 15
"""Pairs that are seen without unfolding."""


def paired_section(report: Report) -> Section | None:
    """Every pair of methods, tested over seeds and images and corrected for the number of pairs."""
    pairs = report.comparisons
    if not pairs:
        return None
    corrected = f"; p values are corrected by Holm for {len(pairs)} pairs" if len(pairs) > 1 else ""
    words = [
        f"Each method with the configuration that the rule chose for it, in {spell_metric(report.headline)} on target"
        f" test, on the same images. Variances between seeds are moderated over the methods{corrected}: where the"
        " methods' seeds spread alike, at most 5 % of such tables hold a false claim of a difference."
    ]
    words += untested_sentences(report)
    return Section("paired", "Method against method", words, tables=_tables(pairs))


def _tables(pairs: Sequence[Comparison]) -> list[Table]:
    head = ["method", "against", "difference, points", "95 % interval", "seeds", "p (Holm)", "verdict", "seeds needed"]
    rows = [_row(pair) for pair in pairs]
    faint = frozenset(i for i, pair in enumerate(pairs) if not pair.differs)
    if len(rows) <= OPEN_PAIRS + 5:
        return [Table(head, rows, faint=faint)]
    rest = frozenset(i - OPEN_PAIRS for i in faint if i >= OPEN_PAIRS)
    return [
        Table(head, rows[:OPEN_PAIRS], faint=faint),
        Table(head, rows[OPEN_PAIRS:], faint=rest, folded=f"{len(rows) - OPEN_PAIRS} more pairs"),
    ]


def _row(pair: Comparison) -> list[Cell]:
    p = "" if pair.p_holm is None else "below 0.001" if pair.p_holm < 0.001 else f"{pair.p_holm:.3f}"
    shown = "they differ" if pair.differs else "no difference is shown" if pair.p_holm is not None else "not tested"
    return [
        Cell(pair.first), Cell(pair.second), Cell(f"{pair.points:+.1f}", number=True),
        gain_cell(pair), count_cell(pair.seeds), Cell(p, number=True), Cell(shown),
        Cell(_needed(pair)),
    ]  # fmt: skip


def _needed(pair: Comparison) -> str:
    """Seeds that would show a difference: at least so many; so many if it is as seen."""
    if pair.seeds_needed is None:
        return ""
    least, seen = (
        "more than 50" if n is None else str(n) for n in (pair.seeds_needed.at_least, pair.seeds_needed.as_seen)
    )
    return least if least == seen else f"at least {least}; {seen} if the difference stays"
