"""Methods against each other: which differences are more than chance."""

from __future__ import annotations

from typing import Any

from dta_bench.report.html.page import Cell, Section, Table
from dta_bench.report.html.sections.spelling import interval, metric

OPEN_PAIRS = 15
"""Pairs that are seen without unfolding."""


def paired(found: dict[str, Any]) -> Section | None:
    """Every pair of methods, tested over seeds and images and corrected for the number of pairs."""
    pairs = found.get("comparisons") or []
    if not pairs:
        return None
    words = [
        f"Each method with the configuration that the rule chose for it, in {metric(found['headline'])} on target test,"
        f" paired by seed and image; p values are corrected by Holm for the {_count(len(pairs))} in this table."
    ]
    return Section("paired", "Method against method", words, tables=_tables(pairs))


def _tables(pairs: list[dict[str, Any]]) -> list[Table]:
    head = ["method", "against", "difference, points", "95 % interval", "seeds", "p (Holm)", ""]
    rows = [_row(one) for one in pairs]
    faint = frozenset(i for i, one in enumerate(pairs) if not one["differs"])
    if len(rows) <= OPEN_PAIRS + 5:
        return [Table(head, rows, faint=faint)]
    rest = frozenset(i - OPEN_PAIRS for i in faint if i >= OPEN_PAIRS)
    return [
        Table(head, rows[:OPEN_PAIRS], faint=faint),
        Table(head, rows[OPEN_PAIRS:], faint=rest, folded=f"{len(rows) - OPEN_PAIRS} more pairs"),
    ]


def _row(one: dict[str, Any]) -> list[Cell]:
    p = "below 0.001" if one["p_holm"] < 0.001 else f"{one['p_holm']:.3f}"
    return [
        Cell(one["first"]), Cell(one["second"]), Cell(f"{one['points']:+.1f}", number=True), interval(one["ci95"]),
        Cell(str(one["seeds"]), number=True), Cell(p, number=True),
        Cell("they differ" if one["differs"] else "no difference is shown", number=True),
    ]  # fmt: skip


def _count(pairs: int) -> str:
    return "one pair" if pairs == 1 else f"{pairs} pairs"
