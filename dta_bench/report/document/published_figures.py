"""Published figures as ``reports/published.yaml`` and the reports hold them."""

from __future__ import annotations

from typing import Literal

from dta_bench.report.document.frozen_record import FrozenRecord

PrintedMetric = Literal["accuracy", "mean_class_accuracy", "miou", "unknown"]


class PublishedRow(FrozenRecord):
    """A figure of Tables 1 to 5 as printed; the head of ``published.yaml`` says what each key means."""

    table: int
    row: str
    benchmark: str
    backbone: str | None
    metric: PrintedMetric
    average: float
    method: str | None = None
    note: str | None = None
    per_class: dict[str, float] | None = None
    recomputed: dict[str, float] | None = None
    without: list[str] | None = None


class LaterWork(FrozenRecord):
    """A figure of a later work, under a protocol of its own."""

    row: str
    benchmark: str
    backbone: str | None
    metric: PrintedMetric
    average: float
    source: str
    note: str | None = None


class PublishedFigures(FrozenRecord):
    """The whole of ``published.yaml``."""

    visda_class_counts: dict[str, int]
    rows: list[PublishedRow]
    beyond_the_paper: list[LaterWork]
