"""A report as a page, section by section."""

from __future__ import annotations

from dta_bench.report.confirmation_sentences import describe_seeds
from dta_bench.report.document.report import Report
from dta_bench.report.document.without_test import WithoutTest
from dta_bench.report.headline_and_warnings import answer, spell_interval, warnings
from dta_bench.report.html.page import Page, Section
from dta_bench.report.html.sections.backbones import backbones_section
from dta_bench.report.html.sections.classes import classes_section
from dta_bench.report.html.sections.confusions import confusions_section
from dta_bench.report.html.sections.cost import cost_section
from dta_bench.report.html.sections.paired import paired_section
from dta_bench.report.html.sections.provenance import provenance_section
from dta_bench.report.html.sections.ranking import ranking_section
from dta_bench.report.html.sections.scenes import scenes_section
from dta_bench.report.html.sections.search import search_section
from dta_bench.report.html.sections.selection import selection_section
from dta_bench.report.html.sections.training import training_section
from dta_bench.report.html.sections.without_test import without_test_section
from dta_bench.report.labels import describe_source
from dta_bench.spec.spelling import count_of, spell_gain, spell_metric


def report_page(report: Report) -> Page:
    """The page of a report; a part that was not run has no section."""
    sections: list[Section | None] = [
        without_test_section(report), ranking_section(report), backbones_section(report), paired_section(report),
        classes_section(report), confusions_section(report), scenes_section(report),
        selection_section(report), search_section(report), training_section(report), cost_section(report),
        provenance_section(report),
    ]  # fmt: skip
    return Page(
        title=f"{report.benchmark}: {report.source} → {report.target}",
        kicker="dta-bench report",
        answer=answer(report),
        numbers=_largest_figures(report),
        warnings=warnings(report),
        sections=[section for section in sections if section is not None],
    )


def _largest_figures(report: Report) -> list[tuple[str, str, str]]:
    """The answer's figures, each with what it is and what stands beside it."""
    test, difference = report.test, report.difference
    if report.without_test is not None:
        return _figures_without_test(report, report.without_test)
    if test is None:
        return []
    average, bounds = test.average(report.headline), test.interval(report.headline)
    interval = f"{spell_interval(bounds, test.seeds)}, {describe_seeds(test.confirmed)}" if bounds else ""
    shown = [(f"Target test, {spell_metric(report.headline)}", f"{average:.1f} %", interval)]
    if difference:
        ends = spell_gain(difference.ci95, difference.seeds)
        tested = "they differ" if difference.differs else "no difference is shown"
        shown.append((
            "vs. source-only", f"{difference.points:+.1f}", f"points (95 % interval {ends}): {tested}",
        ))  # fmt: skip
    shown.append(_compared(report))
    return [*shown, ("Rule", report.rule, _who_chose(report))]


def _figures_without_test(report: Report, known: WithoutTest) -> list[tuple[str, str, str]]:
    metric, source = spell_metric(report.headline), known.source_validation.average(report.headline)
    return [
        ("Target test", "none", "no labelled target test: nothing says how good it is"),
        (f"Held-out source, {metric}", f"{source:.1f} %", describe_source(known)),
        _compared(report),
        ("Rule", report.rule, _who_chose(report)),
    ]


def _compared(report: Report) -> tuple[str, str, str]:
    methods = count_of(len({row.method for row in report.competing}), "method")
    configurations = "configuration" if report.compared == 1 else "configurations"
    return "Compared", str(report.compared), f"{configurations} of {methods}, {count_of(report.runs, 'run')}"


def _who_chose(report: Report) -> str:
    sentences = {
        "oracle": "the target test labels chose: a bound, not a result",
    }
    if subset := report.subset:
        came = "given by the user" if subset.given else f"seed {subset.seed}"
        sentences["labels"] = f"{subset.size} labelled images of target train chose ({came})"
    return sentences.get(report.rule, "no label of the target chose")
