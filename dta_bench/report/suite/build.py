"""A suite's report from the runs of a store."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from dta_bench.data.suite_plugin import Suite, SuitePair
from dta_bench.errors import UserError
from dta_bench.report.baselines import is_in_tests_of_a_suite
from dta_bench.report.configurations import Configuration
from dta_bench.report.document.run_details import LeftOut, LeftOutRun
from dta_bench.report.document.suite_report import Across, SuitePairReport, SuiteReport, SuiteScore
from dta_bench.report.left_out_sentences import describe_left_out
from dta_bench.report.origins import disagreements
from dta_bench.report.suite.across import across_pairs
from dta_bench.report.suite.averages import SuiteAverages, average_over_pairs
from dta_bench.report.suite.chosen import PairChoice, choose
from dta_bench.report.suite.missing import missing_cells
from dta_bench.report.suite.printed import printed_tables
from dta_bench.spec.seeds import is_confirmation
from dta_bench.spec.spelling import count_of
from dta_bench.tracking import Tracker


def build_suite_report(
    suite: Suite, tracker: Tracker, rule: str | None, root: Path, only: Collection[str] | None = None,
    pairs: Sequence[SuitePair] = (), places: str = "",
) -> SuiteReport:  # fmt: skip
    """The report of a suite.

    Args:
        rule: a selection rule; None takes the default of each pair.
        root: the data root, for what is missing.
        only: identities of the runs to report; None: all.
        pairs: to report; none for all that the suite states, and any other pair of it that has runs.
        places: the options that lead a command to the same data and store, with a space before each.

    Raises:
        UserError: no finished run of any pair, or an unknown rule.
    """
    stated = list(pairs) or suite.pairs()
    looked_at = stated if pairs else list(dict.fromkeys([*stated, *suite.file.possible_pairs()]))
    choices, network = choose(suite, looked_at, tracker, rule, only)
    if not choices:
        raise UserError(
            f"no finished run of the suite {suite.name} in {tracker.uri}; start or resume dta-bench sweep "
            f"{suite.name}, or name its --out"
        )
    averages = average_over_pairs(choices)
    first = choices[0]
    return SuiteReport(
        suite=suite.name, rule=first.rule, headline=first.benchmark.headline, backbone=network[0], weights=network[1],
        stated=len(stated), pairs={one.pair.key: _pair_report(one) for one in choices},
        average_over=averages.over, average=averages.average, average_intervals=averages.intervals,
        average_seeds=averages.seeds, comparisons=averages.comparisons, across=_across(choices, averages),
        missing=missing_cells(suite, stated, choices, root, tracker, places), notes=_notes(suite, choices, averages),
        printed=printed_tables(suite.name),
    )  # fmt: skip


def _across(choices: Sequence[PairChoice], averages: SuiteAverages) -> Across | None:
    common = [one for one in choices if one.pair.key in averages.over]
    return across_pairs(
        {
            name: [one.methods[name].mean("test", one.benchmark.headline) for one in common]
            for name in averages.average
            if is_in_tests_of_a_suite(name)
        }
    )


def _pair_report(choice: PairChoice) -> SuitePairReport:
    return SuitePairReport(
        benchmark=choice.benchmark.name, source=choice.benchmark.source, target=choice.benchmark.target,
        runs=choice.runs, methods={name: _score(choice, one) for name, one in choice.methods.items()},
    )  # fmt: skip


def _score(choice: PairChoice, configuration: Configuration) -> SuiteScore:
    headline = choice.benchmark.headline
    return SuiteScore(
        score=configuration.mean("test", headline), interval=choice.uncertainty.interval(configuration, headline),
        seeds=len(configuration.seeds), confirmed=is_confirmation(configuration.seeds[0]),
        collapsed=len(configuration.collapsed), params=configuration.params,
        mlflow_run_ids=[run.tracked.mlflow_run_id for run in configuration.runs],
    )  # fmt: skip


def _notes(suite: Suite, choices: Sequence[PairChoice], averages: SuiteAverages) -> list[str]:
    notes = [choices[0].benchmark.splits_stated]
    if suite.file.protocol == "transductive":
        notes.append(
            "transductive: scores are on images that were trained on without their labels, as the papers of this suite "
            "do it; images of the labelled subset are left out"
        )
    notes += describe_left_out("", _left_out(choices))
    disputed = [f"{one.pair.key} {run}" for one in choices for run in disagreements(list(one.methods.values()))]
    if disputed:
        notes.append(f"runs that have other scores in a merged archive: {len(disputed)}, such as {disputed[0]}")
    trainings = {one.methods[name].runs[0].spec.training.model_dump_json() for one in choices for name in one.methods}
    if len(trainings) > 1:
        notes.append(f"the pairs were trained in {len(trainings)} ways; an average over them compares unlike things")
    rules = sorted({one.rule for one in choices})
    if len(rules) > 1:
        notes.append(f"the pairs were chosen by different rules: {', '.join(rules)}")
    without = [name for name, seeds in averages.seeds.items() if not seeds]
    if without:
        notes.append(
            f"the averages of {', '.join(without)} have no interval and no test: not all pairs have the same seeds"
        )
    cells = [len(c.runs) for one in choices for c in one.methods.values()]
    if 1 in cells:
        notes.append(
            f"{cells.count(1)} of {count_of(len(cells), 'cell')} have one seed: their intervals, and those of averages "
            "over them, are over test images only, and do not hold how much training varies"
        )
    mixed = {is_confirmation(c.seeds[0]) for one in choices for c in one.methods.values()}
    if len(mixed) > 1:
        notes.append(
            "some cells are on fresh seeds and others on the seeds of the search, which flatter what they chose"
        )
    elif mixed == {False}:
        notes.append("no cell has confirmation runs: all are on the seeds of the search, which flatter what they chose")
    return notes


def _left_out(choices: Sequence[PairChoice]) -> list[LeftOut]:
    """What the pairs leave out, the runs of all pairs with the same differences together."""
    runs: dict[tuple[str, ...], list[LeftOutRun]] = {}
    for one in (one for choice in choices for one in choice.left_out):
        runs.setdefault(tuple(one.differs), []).extend(one.runs)
    return [LeftOut(differs=list(differs), runs=found) for differs, found in runs.items()]
