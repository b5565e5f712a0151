"""Backbones as a second axis: on each of them, what adaptation gains over source-only, and what bounds it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dta_bench.report.document.report import Report
from dta_bench.report.document.scores import LeaderboardRow
from dta_bench.spec.declared_method import trains_nothing

FIRST, LAST = "knn", "target_only"
"""Rows that stand beside the gain where they were run: neighbours, and the oracle as the upper mark; between them what
trains nothing."""


@dataclass(frozen=True)
class OfBackbone:
    """What was measured on one backbone.

    Attributes:
        best: the first of the rule's order that competes; its ``difference`` is the gain over source-only.
        source_only: None where it was not run.
        beside: method that stands beside the gain → its row, those that were run.
        first: the first of the rule's order; another than ``best`` where that stands beside the gain.
    """

    backbone: str
    best: LeaderboardRow
    source_only: LeaderboardRow | None
    beside: dict[str, LeaderboardRow]
    first: LeaderboardRow

    def ranked_above(self) -> list[str]:
        """Which row the rule ranks above ``best`` though it adapts no network, in words; else nothing."""
        if self.first is self.best:
            return []
        test = "" if self.first.test is None else f" ({self.first.test:.1f} %)"
        return [f"the rule's first is {self.first.method}{test}, which adapts no network"]


def by_backbone(report: Report) -> list[OfBackbone]:
    """One entry for each backbone with a configuration that competes, in the rule's order; none for a single one."""
    found, names, first = list[OfBackbone](), _beside(report), dict[str, LeaderboardRow]()
    for row in report.competing:
        first.setdefault(row.backbone, row)
        if row.backbone not in {one.backbone for one in found} and row.method not in names:
            own = {other.method: other for other in reversed(report.leaderboard) if other.backbone == row.backbone}
            beside = {name: own[name] for name in names if name in own}
            found.append(OfBackbone(row.backbone, row, own.get("source_only"), beside, first[row.backbone]))
    return found if len(found) > 1 else []


def beside_any(found: Sequence[OfBackbone]) -> list[str]:
    """The methods that stand beside the gain on one backbone or more, in their order."""
    return sorted({name for one in found for name in one.beside}, key=_place)


def _beside(report: Report) -> list[str]:
    methods = {row.method for row in report.leaderboard}
    return sorted((name for name in methods if name in (FIRST, LAST) or trains_nothing(name)), key=_place)


def _place(method: str) -> tuple[int, str]:
    return {FIRST: 0, LAST: 2}.get(method, 1), method


def sentence(one: OfBackbone) -> str:
    """Whether adaptation pays on this backbone, as far as the runs show it."""
    gain = one.best.difference
    if gain is None:
        return "no source-only"
    low, high = gain.ci95
    if low > 0:
        return "it pays"
    return "it harms" if high < 0 else "not shown"
