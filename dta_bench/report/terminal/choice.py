"""How the choice was made, on a terminal: sentences, every rule on the same runs, and the label budget."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from dta_bench.report.document.report import Report
from dta_bench.report.document.scores import LabelBudgetRow, RuleRow
from dta_bench.report.how_it_was_chosen import choice_sentences, comparison_sentences, disagreement_sentences
from dta_bench.report.labels import label_choice
from dta_bench.spec.spelling import spell_bounds, spell_gain

ORACLE_STYLE = "magenta"  # the oracle is a bound, and looks unlike the rules


def show_choice(report: Report, console: Console) -> None:
    """Print how the choice was made, and the rules' table and the label budget where they were asked for."""
    for line in [*choice_sentences(report), *comparison_sentences(report)]:
        console.print(line, highlight=False)
    if report.rules:
        console.print(_rules_table(report, report.rules))
        for line in disagreement_sentences(report):
            console.print(line, highlight=False)
    if report.label_budget:
        console.print(_budget_table(report.label_budget))
    elif report.label_budget_unavailable:
        reason = report.label_budget_unavailable
        console.print(f"How many labels choosing needs cannot be said: {reason}", highlight=False)


def _rules_table(report: Report, rules: Sequence[RuleRow]) -> Table:
    table = Table(title="Every rule on the same runs", title_justify="left")
    table.add_column("rule")
    table.add_column("what it chose", ratio=1)
    judged = report.test is not None
    for column in ("target\ntest, %", "regret, points\n(95 % interval)", "rank corr.\nwith oracle") if judged else ():
        table.add_column(column, justify="right")
    for row in rules:
        if row.selected is None:
            table.add_row(row.rule, f"unavailable: {row.unavailable}", style="dim")
            continue
        style = ORACLE_STYLE if row.rule == "oracle" else None
        table.add_row(row.rule, label_choice(report, row.selected), *(_judgement(row) if judged else ()), style=style)
    table.caption = "The oracle reads the test labels: a bound, not a rule. Regret: what a choice loses against it."
    if report.test is None:
        table.caption = "Without a labelled target test none of these choices can be judged: no score, no regret."
    table.caption += "\ndta-bench list rules says what each rule chooses by."
    table.caption_justify = "left"
    return table


def _judgement(row: RuleRow) -> list[str]:
    """What the labelled target test says of a rule's choice."""
    correlation = "-" if row.rank_correlation is None else f"{row.rank_correlation:.2f}"
    return ["-" if row.test is None else f"{row.test:.1f}", _spell_regret(row), correlation]


def _spell_regret(row: RuleRow) -> str:
    bounds = row.regret_ci95
    if row.regret is None:
        return "-"
    return f"{row.regret:.1f}" + (f" ({spell_gain(bounds, signed=False)})" if bounds else "")


def _budget_table(rows: Sequence[LabelBudgetRow]) -> Table:
    table = Table(title="How many labels choosing needs here (subsets drawn again and again)", title_justify="left")
    for column in ("labels", "mean regret,\npoints", "middle 90 %", "finds the\nbest, %"):
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(
            str(row.labels),
            f"{row.regret:.2f}",
            spell_bounds((row.low, row.high), digits=2),
            f"{100 * row.finds_the_best:.0f}",
        )
    table.caption = f"{rows[0].draws} draws each; the last row is all of target train."
    table.caption_justify = "left"
    return table
