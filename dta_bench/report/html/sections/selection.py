"""Selection rules side by side, and how many labels choosing needs."""

from __future__ import annotations

from collections.abc import Sequence

from dta_bench.report.document.report import Report
from dta_bench.report.document.scores import LabelBudgetRow, RuleRow
from dta_bench.report.how_it_was_chosen import choice_sentences, disagreement_sentences
from dta_bench.report.html.charts.lines import Axes, Series, lines
from dta_bench.report.html.page import Cell, Figure, Section, Table
from dta_bench.report.html.sections.cells import number_cell
from dta_bench.report.html.sections.links import runs_page
from dta_bench.report.labels import label_choice
from dta_bench.report.selection.explained import EXPLAINED
from dta_bench.spec.spelling import spell_gain


def selection_section(report: Report) -> Section | None:
    """What choosing cost, every rule and the label-budget curve; without these two, the command that fills them."""
    if not report.selected:
        return None
    rules, budget, words = report.rules, report.label_budget, choice_sentences(report)
    if not rules and not budget:
        words = [*words, "This command shows what the other selection rules choose among the same runs:"]
        return Section("choosing", "Choosing", words, commands=[f"dta-bench report {report.benchmark} --select all"])
    if report.test is None:
        words.append("Every rule chooses among the same runs; without a labelled target test none can be judged.")
    else:
        words.append(
            "Every rule chooses among the same runs. Regret is what its choice loses on target test against the"
            " oracle's, in points; the oracle reads the test labels and is a bound, not a rule. Rank"
            " correlation is Spearman's between a rule's scores and those on target test."
        )
    words += disagreement_sentences(report)
    if reason := report.label_budget_unavailable:
        words.append(f"How many labels choosing needs cannot be said: {reason}")
    return Section(
        "choosing", "Choosing", words,
        tables=[_rules_table(report, rules)] if rules else [],
        figures=[_budget_figure(report, budget)] if budget else [],
    )  # fmt: skip


def _rules_table(report: Report, rules: Sequence[RuleRow]) -> Table:
    head = ["rule", "chooses by", "what it chose"]
    if report.test is not None:
        head += ["target test, %", "regret, points", "rank correlation"]
    oracle = frozenset(i for i, row in enumerate(rules) if row.rule == "oracle")
    return Table(head, [_rule_cells(report, row)[: len(head)] for row in rules], faint=oracle)


def _rule_cells(report: Report, row: RuleRow) -> list[Cell]:
    by = Cell(EXPLAINED.get(row.rule, ""))
    if row.selected is None:
        return [Cell(row.rule), by, Cell(f"not available: {row.unavailable}"), Cell(""), Cell(""), Cell("")]
    regret = "" if row.regret is None else f"{row.regret:.1f}"
    regret += f" ({spell_gain(row.regret_ci95, signed=False)})" if row.regret_ci95 else ""
    return [
        Cell(row.rule), by, Cell(label_choice(report, row.selected)), number_cell(row.test), Cell(regret, number=True),
        number_cell(row.rank_correlation, 2),
    ]  # fmt: skip


def _budget_figure(report: Report, budget: Sequence[LabelBudgetRow]) -> Figure:
    series = Series(
        "rule: labels", [float(row.labels) for row in budget], [row.regret for row in budget], 1,
        low=[row.low for row in budget], high=[row.high for row in budget], link=runs_page(report),
    )  # fmt: skip
    axes = Axes("Regret by labels", "labelled target images", "regret, points", logarithmic=True, from_zero=True)
    caption = "How many labels choosing needs here: mean regret over resampled subsets, with the middle 90 % of them."
    links = [("these runs", address)] if (address := runs_page(report)) else []
    return Figure(lines([series], axes), caption, links)
