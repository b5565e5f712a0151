"""Two sweeps, or the runs of two stores, on the same rows: method by method, what each has on target test."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dta_bench import plugins
from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.errors import UserError
from dta_bench.report.configurations import group_runs
from dta_bench.report.document.frozen_record import Document, FrozenRecord, Interval, Params
from dta_bench.report.document.scores import LeaderboardRow
from dta_bench.report.left_out_sentences import describe_left_out
from dta_bench.report.summary import summarise
from dta_bench.run.workspace import Workspace
from dta_bench.spec import search_space_file
from dta_bench.tracking import TrackedRun, Tracker, standing_runs
from dta_bench.tracking.store_file import sqlite_uri


class ComparedScore(FrozenRecord):
    """What a rule chose of a method on one side, and its score on target test in the headline metric."""

    params: Params
    test: float | None
    ci95: Interval | None
    seeds: int
    confirmed: bool
    """Whether the score is of confirmation runs; else it is of the seeds that chose."""


class ComparedRow(FrozenRecord):
    """A method on a backbone, on both sides; None where a side has no such runs."""

    benchmark: str
    method: str
    backbone: str
    metric: str
    first: ComparedScore | None
    second: ComparedScore | None
    difference: float | None
    """The second less the first, in points."""


class ComparedSides(Document):
    """Two sides, row by row."""

    first: str
    second: str
    rows: list[ComparedRow]
    notes: list[str] | None = None
    """Which runs a side leaves out, and what differs; None where it leaves out none."""


@dataclass(frozen=True)
class Side:
    """Runs to compare: of one store, of some benchmarks, perhaps of one sweep alone."""

    name: str
    tracker: Tracker
    sweep: str = ""
    benchmarks: tuple[str, ...] = ()


def compare(first: str, second: str, rule: str | None, workspace: Workspace) -> ComparedSides:
    """Compare two sides, each a sweep, a benchmark or a suite of ``workspace``, or the folder of another store.

    Raises:
        UserError: a side is none of these, or has no finished run.
    """
    sides = [_side(name, workspace) for name in (first, second)]
    found = [_scores(side, rule) for side in sides]
    scores, notes = [one for one, _ in found], [note for _, told in found for note in told]
    keys = sorted({*scores[0], *scores[1]}, key=lambda key: (key[0], -_height(scores[0].get(key)), key))
    rows = [_row(key, scores[0].get(key), scores[1].get(key)) for key in keys]
    compared = ComparedSides(first=first, second=second, rows=rows)
    return compared.model_copy(update={"notes": list(dict.fromkeys(notes))}) if notes else compared


def _side(name: str, workspace: Workspace) -> Side:
    folder = Path(name)
    if folder.is_dir() and (folder / "mlflow.db").is_file():
        tracker = Tracker(sqlite_uri(folder.absolute() / "mlflow.db"), folder.absolute())
        return Side(name, tracker, benchmarks=tuple(tracker.experiments()))
    tracker, name = workspace.tracker(), plugins.composed(name)
    tracker.check_address()
    if plugins.is_benchmark(name) and name not in tracker.sweeps(name).values():
        return Side(name, tracker, benchmarks=(name,))
    if name in plugins.names("search_space"):
        return Side(name, tracker, sweep=name, benchmarks=(search_space_file.read(name).benchmark,))
    if plugins.is_benchmark(name):
        return Side(name, tracker, sweep=name, benchmarks=(name,))
    if plugins.is_suite(name):
        return Side(name, tracker, benchmarks=tuple(plugins.pairs_of_suite(name, tracker.experiments())))
    raise UserError(
        f"{name!r} is no sweep, no benchmark, no suite, and no folder with a store (mlflow.db);"
        " dta-bench list shows names"
    )


def _scores(side: Side, rule: str | None) -> tuple[dict[tuple[str, str, str], tuple[str, LeaderboardRow]], list[str]]:
    """(benchmark, method, backbone) → the metric, and the row that the rule ranks first; and what is left out."""
    found: dict[tuple[str, str, str], tuple[str, LeaderboardRow]] = {}
    notes = list[str]()
    for name in side.benchmarks:
        runs = standing_runs(run for run in _runs(side, name) if not run.unknown_fields)[0]
        if not any(run.status == "FINISHED" for run in runs):
            continue
        benchmark, configurations = benchmark_of(name), group_runs(side.tracker, runs)
        report = summarise(benchmark, configurations, runs, rule, side.tracker.requested_confirmations(name))
        notes += [f"{side.name}: {told}" for told in describe_left_out(name, report.left_out_runs or ())]
        for row in report.leaderboard:
            found.setdefault((name, row.method, row.backbone), (report.headline, row))
    if not found:
        raise UserError(
            f"{side.name} has no finished run in {side.tracker.uri}; run its sweep first, or name its --out"
        )
    return found, notes


def _runs(side: Side, benchmark: str) -> list[TrackedRun]:
    """The runs of a benchmark; of a sweep only those under its parent runs, which are the last that asked for them."""
    runs = side.tracker.runs(benchmark)
    if not side.sweep:
        return runs
    parents = {parent for parent, name in side.tracker.sweeps(benchmark).items() if name == side.sweep}
    return [run for run in runs if run.parent in parents]


def _row(
    key: tuple[str, str, str], first: tuple[str, LeaderboardRow] | None, second: tuple[str, LeaderboardRow] | None
) -> ComparedRow:
    metric = next(side[0] for side in (first, second) if side is not None)
    one, other = (_score(side[1]) if side else None for side in (first, second))
    both = one is not None and other is not None and one.test is not None and other.test is not None
    return ComparedRow(
        benchmark=key[0], method=key[1], backbone=key[2], metric=metric, first=one, second=other,
        difference=other.test - one.test if both else None,  # type: ignore[union-attr, operator]
    )  # fmt: skip


def _score(row: LeaderboardRow) -> ComparedScore:
    return ComparedScore(params=row.params, test=row.test, ci95=row.ci95, seeds=row.seeds, confirmed=row.confirmed)


def _height(side: tuple[str, LeaderboardRow] | None) -> float:
    return side[1].test or 0.0 if side else -1.0
