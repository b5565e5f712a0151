"""Two sides row by row, on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dta_bench.report.compare import ComparedRow, ComparedScore, ComparedSides
from dta_bench.spec.spelling import count_of, label_run, spell_metric, spell_score_bounds

NO_TEST = (
    "The difference is the second minus the first, in points. It is not tested here: intervals are of each side alone, "
    "over training seeds and test images (of one seed over test images only), and fresh seeds had no part in choosing; "
    "dta-bench report tests methods of one store against each other."
)


def show_compared(compared: ComparedSides, console: Console) -> None:
    """Print a table for each benchmark, and what its columns do not say."""
    several = len({row.backbone for row in compared.rows}) > 1
    for benchmark in dict.fromkeys(row.benchmark for row in compared.rows):
        rows = [row for row in compared.rows if row.benchmark == benchmark]
        title = f"{benchmark}: target test, {spell_metric(rows[0].metric)}, %"
        table = Table(title=title, title_justify="left")
        table.add_column("method", ratio=1)
        for name in (compared.first, compared.second, "difference"):
            table.add_column(name, justify="right")
        for row in rows:
            difference = "" if row.difference is None else f"{row.difference:+.1f}"
            table.add_row(_label(row, several), _cell(row.first), _cell(row.second), difference)
        console.print(table)
    console.print(NO_TEST, highlight=False)
    for note in compared.notes or ():
        console.print(escape(note), highlight=False)


def _label(row: ComparedRow, several_backbones: bool) -> str:
    """The method, with the parameters in which the two choices differ."""
    label = label_run(row.method, {}, backbone=row.backbone if several_backbones else None)
    if row.first is None or row.second is None:
        return label
    one, other = row.first.params, row.second.params
    differing = [name for name in {**one, **other} if one.get(name) != other.get(name)]
    changes = ", ".join(f"{name} {one.get(name, '-')} → {other.get(name, '-')}" for name in differing)
    return f"{label} ({changes})" if changes else label


def _cell(score: ComparedScore | None) -> str:
    if score is None:
        return "not run"
    if score.test is None:
        return "no test"
    interval = f"\n{spell_score_bounds(score.ci95)}" if score.ci95 else ""
    return f"{score.test:.1f}{interval}\n{count_of(score.seeds, 'fresh seed' if score.confirmed else 'seed')}"
