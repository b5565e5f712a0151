"""What is known of a choice where no labelled target test is there, on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dta_bench.report.confirmation_sentences import count_fresh
from dta_bench.report.document.report import Report
from dta_bench.report.document.scores import differing_params
from dta_bench.report.document.without_test import Estimate, WithoutTest
from dta_bench.report.headline_and_warnings import describe_rule
from dta_bench.report.labels import describe_source, label_choice, label_row
from dta_bench.spec.spelling import spell_metric

MOST_ROWS = 20
"""Rows of the leaderboard on the screen; the JSON has all."""


def leaderboard_without_test(report: Report) -> Table:
    """The configurations in the order of the rule, with what needs no labelled target test."""
    rows, subset = report.leaderboard, report.subset
    names, several = differing_params(rows), len({row.backbone for row in rows}) > 1
    table = Table(title=f"{report.benchmark}: {report.source} -> {report.target}", title_justify="left")
    table.add_column("#", justify="right")
    table.add_column("configuration", ratio=1)
    heads = [f"score\n({report.rule})", *(["labelled\nsubset*"] if subset else []), "held-out\nsource, %", "seeds"]
    for head in heads:
        table.add_column(head, justify="right")
    for rank, row in enumerate(rows[:MOST_ROWS], start=1):
        cells = [_spell(row.score, 3), *([_spell(row.validation)] if subset else []), _spell(row.source_validation)]
        table.add_row(
            str(rank) if row.competes else "-", label_row(row, names, several), *cells, count_fresh(row),
            style=None if row.competes else "dim",
        )  # fmt: skip
    more = f"; {len(rows) - MOST_ROWS} more in the JSON" if len(rows) > MOST_ROWS else ""
    note = f"\n* {spell_metric(report.headline)} on {subset.size} labelled images; not a result" if subset else ""
    fresh = "\nfresh: seeds that had no part in choosing" if any(row.confirmed for row in rows) else ""
    table.caption = f"{report.compared} compared, ranked by {describe_rule(report)}{more}{note}{fresh}"
    table.caption_justify = "left"
    return table


def show_without_test(report: Report, known: WithoutTest, console: Console) -> None:
    """Print the choice, and the figures that need no label of the target."""
    if report.selected is not None:
        chosen = report.selected
        label = label_choice(report, chosen)
        console.print(f"[bold]Selected[/bold] by {describe_rule(report)}: {escape(label)}\n", highlight=False)
    source = ", ".join(
        f"{spell_metric(name)} {value:.1f} %" for name, value in known.source_validation.measured.items()
    )
    console.print(f"Held-out source, {describe_source(known)}: {source}", highlight=False)
    label_free = ", ".join(f"{name} {value:.3f}" for name, value in known.label_free.items())
    console.print(f"Without labels on target train: {label_free}", highlight=False)
    for one in known.estimates:
        console.print(_spell_estimate(one), highlight=False)
    console.print(_shares(known))


def _spell_estimate(estimate: Estimate) -> str:
    off = "; its error was not measured"
    if estimate.bias is not None:
        side = "high" if estimate.bias > 0 else "low"
        off = (
            f"; on pairs of ours it was off by {_spell(estimate.mean_error)} points on average, "
            f"{_spell(estimate.worst_error)} at worst, mostly too {side}"
        )
    return f"Estimate, not a measurement: accuracy {estimate.accuracy:.1f} % by {estimate.published}{off}."


def _shares(known: WithoutTest) -> Table:
    table = Table(title="Predicted on target train, last epoch, mean over seeds", title_justify="left")
    table.add_column("class")
    for column in ("predicted, %", "true on held-out source, %"):
        table.add_column(column, justify="right")
    for name, share in known.predicted_shares.items():
        table.add_row(name, f"{share:.1f}", _spell(known.source_shares.get(name)))
    return table


def _spell(value: float | None, digits: int = 1) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
