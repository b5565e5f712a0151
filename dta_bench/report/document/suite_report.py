"""The record of a suite's report: methods by pairs, and their averages over pairs."""

from __future__ import annotations

from pydantic import Field

from dta_bench.report.document.frozen_record import Document, FrozenRecord, Interval, Params
from dta_bench.report.document.published_figures import PrintedMetric
from dta_bench.report.document.scores import Comparison


class SuiteScore(FrozenRecord):
    """What the rule chose of one method on one pair, on target test, in percent.

    Attributes:
        score: mean over seeds of the headline metric.
        interval: 95 % interval of the expected score over training seeds and new images.
        confirmed: whether the seeds are fresh ones, by which nothing was chosen.
        collapsed: how many of the seeds predict fewer than half of the classes.
    """

    score: float
    interval: Interval | None
    seeds: int
    confirmed: bool
    collapsed: int
    params: Params
    mlflow_run_ids: list[str]


class SuitePairReport(FrozenRecord):
    """One pair of a suite, with every method that has finished runs on it; ``runs`` counts all of them."""

    benchmark: str
    source: str
    target: str
    runs: int
    methods: dict[str, SuiteScore]


class MissingCell(FrozenRecord):
    """A pair without any run, or a method's cell of a pair without one: why, and the command that fills it."""

    pair: str
    method: str | None
    why: str
    command: str


class Across(FrozenRecord):
    """Methods across the pairs that every method has, as description.

    Attributes:
        ranks: method → its average rank; 1 is the highest score.
        wins: method → other method → share of pairs on which it is higher; a tie counts half.
        within: method → points → share of pairs on which it is at most so many points below the best.
        tested: whether a test stands beside them.
        why_not_tested: why none does.
    """

    ranks: dict[str, float]
    wins: dict[str, dict[str, float]]
    within: dict[str, dict[str, float]]
    tested: bool
    why_not_tested: str


class PrintedRow(FrozenRecord):
    """A row of a table as printed, in percent; ``method`` is what it is called here, null where it is not here."""

    row: str
    method: str | None
    average: float
    pairs: dict[str, float]


class PrintedTable(FrozenRecord):
    """A table of a suite as a paper or a library prints it.

    Attributes:
        source: where it stands.
        selection: how epoch and parameters were chosen there.
    """

    suite: str
    source: str
    metric: PrintedMetric
    backbone: str
    selection: str
    rows: list[PrintedRow]


class PrintedTables(FrozenRecord):
    """The whole of ``reports/published_suites.yaml``."""

    tables: list[PrintedTable]


class SuiteReport(Document):
    """A suite's report.

    Attributes:
        pairs: pair, as ``photo -> sketch`` → what was run on it.
        average_over: the pairs that every method has; averages are over these alone.
        average: method → mean of its scores over ``average_over``; empty where there are none.
        average_intervals: method → 95 % interval of that average over training seeds and new images, for these very
            pairs; null where the pairs do not have the same seeds.
        average_seeds: method → the seeds that all of these pairs have.
        comparisons: tests of the averages, each two methods.
        across: ranks, win rates and profiles over ``average_over``; null for fewer than two methods or pairs.
        missing: what has no finished run.
        stated: how many pairs the suite states.
        printed: tables of this suite in other works.
    """

    suite: str
    rule: str
    headline: str
    backbone: str
    weights: str
    stated: int
    pairs: dict[str, SuitePairReport]
    average_over: list[str]
    average: dict[str, float]
    average_intervals: dict[str, Interval | None]
    average_seeds: dict[str, int]
    comparisons: list[Comparison]
    across: Across | None
    missing: list[MissingCell]
    notes: list[str]
    printed: list[PrintedTable] = Field(default_factory=list)
