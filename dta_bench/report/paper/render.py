"""A table of the paper as a page, and on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table as ScreenTable

from dta_bench.report.confirmation_sentences import describe_seeds
from dta_bench.report.document.paper_table import PaperCell, PaperTable
from dta_bench.report.html.page import Cell, Page, Section, Table
from dta_bench.report.html.sections.cells import count_cell, interval_cell, number_cell
from dta_bench.spec.spelling import spell_metric


def paper_page(table: PaperTable) -> Page:
    """Printed and ours side by side, class by class where the paper has classes, and what would fill the rest."""
    answer = (
        f"{table.run} of the {len(table.cells)} figures that Table {_number(table)} prints have runs of ours beside"
        " them; each figure's metric is named, and an empty cell has the command that would fill it."
    )
    sections = (_side_by_side(table), _by_class(table), _to_fill(table), _beyond(table))
    return Page(
        f"Table {_number(table)}: {table.title}", "Drop to Adapt (ICCV 2019), rebuilt by dta-bench", answer,
        sections=[section for section in sections if section],
    )  # fmt: skip


def show_paper(table: PaperTable, console: Console) -> None:
    """Print the table within 80 columns, and the commands that would fill its empty cells."""
    shown = ScreenTable(title=f"Table {_number(table)}: {table.title}", title_justify="left")
    for name in ("row", "pair", "backbone", "metric"):
        shown.add_column(name)
    for name in ("printed", "ours", "seeds"):
        shown.add_column(name, justify="right")
    for cell in table.cells:
        shown.add_row(
            escape(cell.row), cell.benchmark, cell.backbone, spell_metric(cell.metric), f"{cell.printed:.1f}",
            _spell_ours(cell), str(cell.ours.seeds) if cell.ours else "",
        )  # fmt: skip
    console.print(shown)
    commands = _commands(table)
    if commands:
        console.print("Empty cells have not been run. These commands fill them:", highlight=False)
    for command in commands:
        console.print(f"  {command}", highlight=False, soft_wrap=True)
    if missing := _methods_not_here(table):
        console.print(f"Methods that dta-bench does not have: {', '.join(missing)}.", highlight=False)


def _side_by_side(table: PaperTable) -> Section:
    head = ["row", "pair", "backbone", "metric", "printed", "ours", "95 % interval", "seeds", "what ours is", "note"]
    rows = [_row(table, cell) for cell in table.cells]
    caption = (
        "VisDA rows of the paper's own runs print accuracy over images, the rows that Table 2 quotes print mean class"
        " accuracy; where the metric of a quoted row is not known, ours is given in both."
    )
    return Section("table", "Printed and ours", tables=[Table(head, rows, caption)])


def _row(table: PaperTable, cell: PaperCell) -> list[Cell]:
    ours = cell.ours
    origin = ""
    if ours:
        origin = (
            f"{ours.epochs} epochs, {ours.weights} weights, best of {ours.compared}, {describe_seeds(ours.confirmed)}"
        )
    backbone = f"{cell.backbone} (printed: its own)" if cell.own_network else cell.backbone
    return [
        Cell(cell.row), Cell(cell.benchmark), Cell(backbone), Cell(spell_metric(cell.metric)),
        number_cell(cell.printed), Cell(_spell_ours(cell), _link(table, cell), number=True),
        interval_cell(ours.interval(cell.metric) if ours else None),
        count_cell(ours.seeds) if ours else number_cell(None), Cell(origin), Cell(cell.note or ""),
    ]  # fmt: skip


def _spell_ours(cell: PaperCell) -> str:
    """Our figure in the row's metric; in both where it is unknown; empty where nothing was run."""
    ours = cell.ours
    if ours is None:
        return ""
    if cell.metric == "unknown":
        both = ("accuracy", "mean_class_accuracy")
        return ", ".join(f"{spell_metric(metric)} {ours.average(metric):.1f}" for metric in both)
    average = ours.average(cell.metric)
    return "" if average is None else f"{average:.1f}"


def _by_class(table: PaperTable) -> Section | None:
    """Per-class figures, printed above ours, with both averages."""
    cells = [(cell, cell.per_class) for cell in table.cells if cell.per_class]
    if not cells:
        return None
    names = list(cells[0][1])
    metrics = ["miou"] if cells[0][0].metric == "miou" else ["accuracy", "mean_class_accuracy"]
    head = ["row", "backbone", "", *names, *map(spell_metric, metrics)]
    rows = []
    for cell, per_class in cells:
        averages = (cell.recomputed or {}) | {cell.metric: cell.printed}
        rows.append(_class_row(cell, "printed", per_class, names, [averages.get(metric) for metric in metrics]))
        if ours := cell.ours:
            rows.append(_class_row(cell, "ours", ours.per_class, names, [ours.average(metric) for metric in metrics]))
    caption = "A printed row's average in its own metric is as printed; the other one is computed from its classes."
    return Section("classes", "Class by class", tables=[Table(head, rows, caption)])


def _class_row(
    cell: PaperCell,
    whose: str,
    per_class: Mapping[str, float | None],
    names: Sequence[str],
    averages: Sequence[float | None],
) -> list[Cell]:
    figures = [*[per_class.get(name) for name in names], *averages]
    return [Cell(cell.row), Cell(cell.backbone), Cell(whose), *map(number_cell, figures)]


def _to_fill(table: PaperTable) -> Section | None:
    commands, missing = _commands(table), _methods_not_here(table)
    if not commands and not missing:
        return None
    words = ["Each command fills its cells; --epochs and --points make it smaller, and the page then says so."]
    if missing:
        words.append(f"Methods that dta-bench does not have, and so without a command: {', '.join(missing)}.")
    return Section("fill", "What would fill the empty cells", words if commands else words[1:], commands=commands)


def _beyond(table: PaperTable) -> Section | None:
    """Figures of other works; under other protocols, and most chose their epoch by target labels."""
    if not table.beyond_the_paper:
        return None
    rows = [
        [
            Cell(work.row), Cell(work.benchmark), Cell(work.backbone or "its own"), Cell(spell_metric(work.metric)),
            number_cell(work.average), Cell(work.note or ""), Cell(work.source),
        ]
        for work in table.beyond_the_paper
    ]  # fmt: skip
    words = ["Published since, under other protocols; DTA is not the state of the art today."]
    head = ["work", "pair", "backbone", "metric", "printed", "note", "source"]
    return Section("beyond", "Beyond the paper", words, [Table(head, rows)])


def _link(table: PaperTable, cell: PaperCell) -> str | None:
    base = table.links.get(cell.benchmark)
    return f"{base.partition('?')[0]}/{cell.ours.mlflow_run_ids[0]}" if base and cell.ours else None


def _commands(table: PaperTable) -> list[str]:
    return list(dict.fromkeys(cell.command for cell in table.cells if cell.command))


def _methods_not_here(table: PaperTable) -> list[str]:
    return list(dict.fromkeys(cell.row for cell in table.cells if not cell.ours and not cell.command))


def _number(table: PaperTable) -> str:
    return table.paper.removeprefix("table")
