"""A suite's report as a page, and on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from rich.console import Console
from rich.markup import escape
from rich.table import Table as ScreenTable

from dta_bench.report.document.frozen_record import Interval
from dta_bench.report.document.suite_report import SuiteReport, SuiteScore
from dta_bench.report.html.page import Cell, Page, Section, Table
from dta_bench.report.html.sections.cells import gain_cell, interval_cell, number_cell
from dta_bench.report.suite.printed import printed_section
from dta_bench.spec.spelling import spell_metric

NO_AVERAGE = "-"
COLLAPSED = "*"
"""Stands behind the score of a cell in which some runs collapsed."""


def suite_page(report: SuiteReport, pages: Mapping[str, str] = MappingProxyType({}), places: str = "") -> Page:
    """The page of a suite's report.

    Args:
        pages: the addresses of its pairs' own pages, by pair.
        places: the options that lead a command to the same data and store, with a space before each.
    """
    sections = [
        _table(report, pages),
        _intervals(report),
        _differences(report),
        _across(report),
        printed_section(report),
        _missing(report),
        _how(report, places),
    ]
    return Page(
        title=f"{report.suite}: {len(report.pairs)} of {report.stated} pairs",
        kicker="dta-bench report of a suite",
        answer=answer(report),
        numbers=_largest_figures(report),
        warnings=report.notes[1:],
        sections=[one for one in sections if one is not None],
    )  # fmt: skip


def answer(report: SuiteReport) -> str:
    """What a suite's runs show, in two or three sentences."""
    metric = spell_metric(report.headline)
    if not report.average:
        return (
            f"No pair of {report.suite} has every method, so there is no average; {len(report.pairs)} of "
            f"{report.stated} pairs have finished runs. Scores are {metric} on target test."
        )
    ranked = ranking(report)
    best, value = ranked[0], report.average[ranked[0]]
    over = f"{len(report.average_over)} of {report.stated} pairs"
    equal = [name for name in ranked if name in report.average and report.average[name] == value]
    has = f"{best} has" if len(equal) == 1 else f"{', '.join(equal)} share"
    words = f"{has} the highest average, {value:.1f} % {metric} over {over}{_spelled(report, best)}."
    baseline = report.average.get("source_only")
    if baseline is not None and best != "source_only":
        words += f" Source-only has {baseline:.1f} %{_spelled(report, 'source_only')}."
        found = next((c for c in report.comparisons if {c.first, c.second} == {best, "source_only"}), None)
        if found is not None:
            shown = "these two averages differ" if found.differs else "no difference between these two is shown"
            words += f" After Holm's correction for {len(report.comparisons)} pairs of methods, {shown}."
    if len(report.average_over) < report.stated:
        words += " Averages are over the pairs that every method has; the others are named below."
    return words


def ranking(report: SuiteReport) -> list[str]:
    """The methods, the highest average first; where there is none, in the order of their runs."""
    methods = dict.fromkeys(name for pair in report.pairs.values() for name in pair.methods)
    return sorted(methods, key=lambda name: -report.average.get(name, 0.0))


def show_suite(report: SuiteReport, console: Console) -> None:
    """Print methods by pairs; a suite of many pairs has a row a pair."""
    console.print(escape(answer(report)), highlight=False, soft_wrap=True)
    methods = ranking(report)
    shown = ScreenTable(title=f"{report.suite}, {spell_metric(report.headline)} on target test", title_justify="left")
    shown.add_column("pair")
    for name in methods:
        shown.add_column(name, justify="right")
    for key, pair in report.pairs.items():
        shown.add_row(key, *[_screen(pair.methods.get(name)) for name in methods])
    if report.average:
        shown.add_section()
        of = f"average of {len(report.average_over)}"
        shown.add_row(
            of, *[f"{report.average[name]:.1f}" if name in report.average else NO_AVERAGE for name in methods]
        )
    console.print(shown)
    if collapsed := _collapsed(report):
        console.print(f"{COLLAPSED} has collapsed runs: {collapsed}", highlight=False, soft_wrap=True, markup=False)
    for note in report.notes[1:]:
        console.print(f"note: {note}", highlight=False, soft_wrap=True, markup=False)
    for cell in report.missing:
        what = f"{cell.pair} of {cell.method}" if cell.method else cell.pair
        console.print(f"missing: {what} ({cell.why}): {cell.command}", highlight=False, soft_wrap=True, markup=False)


def _table(report: SuiteReport, pages: Mapping[str, str]) -> Section:
    methods = ranking(report)
    has_intervals = any(report.average_intervals.values())
    of_average = [f"average of {len(report.average_over)}", *(["95 % interval"] if has_intervals else [])]
    head = ["method", *of_average, *map(_arrow, report.pairs)]
    rows = []
    for name in methods:
        cells = [_score_cell(report.pairs[key].methods.get(name), pages.get(key)) for key in report.pairs]
        average = report.average.get(name)
        interval = [interval_cell(report.average_intervals.get(name))] if has_intervals else []
        rows.append([Cell(name), number_cell(average, absent=NO_AVERAGE), *interval, *cells])
    caption = (
        f"{spell_metric(report.headline)} on target test in percent, mean over seeds, of what the rule "
        f"{report.rule} chose of each method on each pair. Averages are over the pairs that every method has: "
        f"{', '.join(map(_arrow, report.average_over)) or 'none'}."
    )
    return Section("table", "Methods by pairs", tables=[Table(head, rows, caption, strong=frozenset([0]))])


def _score_cell(found: SuiteScore | None, page: str | None) -> Cell:
    return Cell("", number=True) if found is None else Cell(f"{found.score:.1f}", link=page, number=True)


def _intervals(report: SuiteReport) -> Section:
    rows = []
    for name in ranking(report):
        if name in report.average:
            seeds = str(report.average_seeds[name] or "")
            rows.append(_interval_row(name, "average", report.average[name], report.average_intervals[name], seeds))
        for key, pair in report.pairs.items():
            if (found := pair.methods.get(name)) is not None:
                seeds = str(found.seeds)
                rows.append(_interval_row(name, _arrow(key), found.score, found.interval, seeds, _remark(found)))
    words = [
        "A cell's interval (95 %) is of the expected score over training seeds and new images of its target; with one "
        "seed it is over test images only. An average's interval is for these very pairs: the average over pairs of "
        "one seed is one number, images of different targets are independent, and pairs with one target share its "
        "test images. A method that does not have the same seeds on all of these pairs has none.",
    ]
    head = ["method", "pair", "score", "95 % interval", "seeds", ""]
    return Section("intervals", "Intervals", words, [Table(head, rows, folded="Every cell with its interval")])


def _interval_row(
    method: str, pair: str, score: float, interval: Interval | None, seeds: str, remark: str = ""
) -> list[Cell]:
    of_score = Cell(f"{score:.1f}", number=True)
    return [Cell(method), Cell(pair), of_score, interval_cell(interval), Cell(seeds, number=True), Cell(remark)]


def _remark(found: SuiteScore) -> str:
    parts = ["fresh seeds" if found.confirmed else "the seeds of the search"]
    return ", ".join(parts + ([f"{found.collapsed} collapsed"] if found.collapsed else []))


def _differences(report: SuiteReport) -> Section | None:
    if not report.comparisons:
        return None
    rows = [
        [
            Cell(c.first), Cell(c.second), Cell(f"{c.points:+.1f}", number=True), gain_cell(c),
            Cell("" if c.p_holm is None else f"{c.p_holm:.3f}", number=True), Cell("differ" if c.differs else ""),
        ]
        for c in sorted(report.comparisons, key=lambda c: (not c.differs, -abs(c.points)))
    ]  # fmt: skip
    words = ["Tests of the averages, corrected for all pairs of methods (Holm). They are about these pairs of domains."]
    head = ["first", "second", "points", "95 % interval", "p (Holm)", "at 5 %"]
    return Section("differences", "Averages against each other", words, [Table(head, rows, folded="All tests")])


def _across(report: SuiteReport) -> Section | None:
    across = report.across
    if across is None:
        return None
    ranked = sorted(across.ranks, key=lambda name: across.ranks[name])
    points = list(next(iter(across.within.values())))
    of_ranks = [
        [
            Cell(name), Cell(f"{across.ranks[name]:.2f}", number=True),
            *[Cell(f"{100 * across.within[name][one]:.0f} %", number=True) for one in points],
        ]
        for name in ranked
    ]  # fmt: skip
    head = ["method", "average rank", "best", *[f"within {one}" for one in points[1:]]]
    wins = [
        [Cell(one), *[Cell("" if one == other else f"{100 * across.wins[one][other]:.0f} %", number=True)
                      for other in ranked]]
        for one in ranked
    ]  # fmt: skip
    caption = "Share of pairs on which a method is the best, or at most so many points below the best."
    of_wins = Table(
        ["wins against", *ranked], wins, "Share of pairs on which the row's method is higher.", folded="Win rates"
    )
    return Section("across", "Across pairs", [across.why_not_tested], [Table(head, of_ranks, caption), of_wins])


def _missing(report: SuiteReport) -> Section | None:
    if not report.missing:
        return None
    rows = [[Cell(_arrow(m.pair)), Cell(m.method or "all"), Cell(m.why)] for m in report.missing]
    words = ["These cells have no finished run; the commands below fill them."]
    commands = list(dict.fromkeys(m.command for m in report.missing))
    return Section("missing", "Missing", words, [Table(["pair", "method", "why"], rows)], commands=commands)


def _how(report: SuiteReport, places: str) -> Section:
    words = [
        f"Network: {report.backbone}, weights {report.weights}. Splits: {report.notes[0]}.",
        "Choices are made on each pair by itself. A method's cells may have different parameters.",
    ]
    return Section("how", "How it was made", words, commands=[f"dta-bench report {report.suite}{places}"])


def _largest_figures(report: SuiteReport) -> list[tuple[str, str, str]]:
    ranked = [name for name in ranking(report) if name in report.average]
    shown = [name for name in dict.fromkeys([*ranked[:1], "source_only"]) if name in report.average]
    return [
        (f"{name}, average of {len(report.average_over)} pairs", f"{report.average[name]:.1f} %",
         _spelled(report, name).strip(" ()"))
        for name in shown
    ]  # fmt: skip


def _arrow(pair: str) -> str:
    """A pair as the page writes it: no line ends within its arrow."""
    return pair.replace("->", "\N{RIGHTWARDS ARROW}")


def _screen(found: SuiteScore | None) -> str:
    return "" if found is None else f"{found.score:.1f}{COLLAPSED if found.collapsed else ''}"


def _collapsed(report: SuiteReport) -> str:
    """Which cells have collapsed runs, and how many of how many."""
    cells = [(name, key, one) for name in ranking(report) for key, pair in report.pairs.items()
             if (one := pair.methods.get(name)) is not None and one.collapsed]  # fmt: skip
    return "; ".join(f"{name} on {key} ({one.collapsed} of {one.seeds})" for name, key, one in cells)


def _spelled(report: SuiteReport, method: str) -> str:
    """The interval of a method's average in brackets; of one seed it says that it is over test images only."""
    interval = report.average_intervals[method]
    of_one = ", over test images only" if report.average_seeds[method] == 1 else ""
    return f" ({interval[0]:.1f} to {interval[1]:.1f}{of_one})" if interval else ""
