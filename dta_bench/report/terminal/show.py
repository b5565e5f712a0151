"""The report on a terminal, within 80 columns."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dta_bench.report.confirmation_sentences import count_fresh, legend_of_intervals
from dta_bench.report.document.frozen_record import Interval
from dta_bench.report.document.report import Report
from dta_bench.report.document.scores import TargetScores, differing_params
from dta_bench.report.headline_and_warnings import answer, describe_rule, warnings
from dta_bench.report.labels import label_choice, label_row
from dta_bench.report.paper.published import published_beside_ours
from dta_bench.report.terminal.backbones import show_backbones
from dta_bench.report.terminal.choice import ORACLE_STYLE, show_choice
from dta_bench.report.terminal.without_test import leaderboard_without_test, show_without_test
from dta_bench.spec.spelling import count_of, spell_method, spell_metric, spell_score_bounds

MOST_ROWS = 20
"""Rows of the leaderboard on the screen; the JSON has all."""


def show_report(report: Report, console: Console) -> None:
    """Print leaderboard, selected configuration, per-class table, and what is not to be overlooked."""
    if report.without_test is not None:
        console.print(f"[bold]{escape(answer(report))}[/bold]\n", highlight=False)
    table = _leaderboard(report) if report.target_labels in ("test", "both") else leaderboard_without_test(report)
    console.print(table, style=ORACLE_STYLE if report.rule == "oracle" else None)
    if report.without_test is not None:
        show_without_test(report, report.without_test, console)
    if report.selected and report.test:
        chosen = report.selected
        label = label_choice(report, chosen)
        console.print(f"[bold]Selected[/bold] by {describe_rule(report)}: {escape(label)}\n", highlight=False)
        console.print(_per_class_table(report, report.test))
        console.print(f"[bold]{escape(answer(report))}[/bold]", highlight=False)
    show_backbones(report, console)
    show_choice(report, console)
    for warning in warnings(report):
        console.print(escape(warning), highlight=False)
    if rows := published_beside_ours(report):
        console.print(_published_table(rows))
    if report.link:
        where = f"These runs in MLflow, while dta-bench ui serves them: {report.link}"
        console.print(f"\n{where}", highlight=False, soft_wrap=True)


def _leaderboard(report: Report) -> Table:
    rows, headline = report.leaderboard, spell_metric(report.headline)
    names = differing_params(rows)
    several = len({row.backbone for row in rows}) > 1
    table = Table(title=f"{report.benchmark}: {report.source} -> {report.target}", title_justify="left")
    table.add_column("#", justify="right")
    table.add_column("configuration", ratio=1)
    for column in ("labelled\nsubset*", f"target test\n{headline}, %", "95 % interval", "seeds"):
        table.add_column(column, justify="right")
    letters = max((len(row.band or "") for row in rows), default=0)
    for rank, row in enumerate(rows[:MOST_ROWS], start=1):
        table.add_row(
            str(rank) if row.competes else "-", label_row(row, names, several), _figure(row.validation),
            _figure(row.test) + f" {row.band or '':<{letters}}" * bool(report.comparisons),
            _range(row.ci95), count_fresh(row), style=None if row.competes else "dim",
        )  # fmt: skip
    more = f"; {len(rows) - MOST_ROWS} more in the JSON" if len(rows) > MOST_ROWS else ""
    table.caption = f"{report.compared} compared, ranked by {describe_rule(report)}{more}\n" + (
        f"* {headline} on the {report.subset.size} labelled images of target train; not a result"
        if report.subset
        else "* there is no labelled subset"
    )
    table.caption = "\n".join([table.caption, *legend_of_intervals(report)])
    if report.comparisons:
        table.caption += "\nMethods that share a letter (a, b, ...) cannot be told apart."
    table.caption_justify = "left"
    return table


def _per_class_table(report: Report, test: TargetScores) -> Table:
    """Selected beside the baselines, class by class, over the same seeds and budget."""
    method = report.selected.method if report.selected else ""
    sides = {
        method if side == "selected" else spell_method(side): scores
        for side, scores in report.scores_by_side().items()
    }  # fmt: skip
    table = Table(title="target test, %, last epoch, mean over seeds", title_justify="left")
    table.add_column("class")
    for name, scores in sides.items():
        seeds = count_of(scores.seeds, "fresh seed" if scores.confirmed else "seed")
        table.add_column(f"{name} ({seeds})", justify="right")
    for class_name in test.per_class:
        table.add_row(class_name, *[_percent(scores.per_class.get(class_name)) for scores in sides.values()])
    for metric in sorted(test.measured, reverse=True):  # the plain accuracy last
        table.add_section()
        table.add_row(spell_metric(metric), *[_percent(scores.average(metric)) for scores in sides.values()])
        table.add_row("95 % interval", *[_range(scores.interval(metric)) for scores in sides.values()])
    if test.calibration_error is not None:
        table.add_section()
        table.add_row("calibration error", *[_figure(scores.calibration_error) for scores in sides.values()])
        briers = ["-" if scores.brier is None else f"{scores.brier:.3f}" for scores in sides.values()]
        table.add_row("Brier score (0 to 2)", *briers)
    return table


def _published_table(rows: Sequence[Sequence[str]]) -> Table:
    table = Table(title="Published, as printed, beside ours in the same metric", title_justify="left")
    for column in ("table", "row", "backbone", "metric"):
        table.add_column(column)
    for column in ("printed", "ours"):
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(*map(escape, row))
    return table


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _range(interval: Interval | None) -> str:
    return spell_score_bounds(interval) if interval else ""


def _percent(value: float | None) -> str:
    return "absent" if value is None else f"{value:.1f}"
