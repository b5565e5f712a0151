"""A table of the paper as a page, and on a terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table as ScreenTable

from dta_bench.report.html.page import Cell, Page, Section, Table
from dta_bench.report.html.sections.spelling import metric, number, value

Found = dict[str, Any]


def paper_page(found: Found) -> Page:
    """Printed and ours side by side, class by class where the paper has classes, and what would fill the rest."""
    cells = found["cells"]
    said = (
        f"{found['run']} of the {len(cells)} figures that Table {_number(found)} prints have runs of ours beside them;"
        " each figure's metric is named, and an empty cell has the command that would fill it."
    )
    parts = (_side_by_side(found), _by_class(found), _to_fill(found), _beyond(found))
    return Page(
        f"Table {_number(found)}: {found['title']}", "Drop to Adapt (ICCV 2019), rebuilt by dta-bench", said,
        sections=[part for part in parts if part],
    )  # fmt: skip


def show_paper(found: Found, console: Console) -> None:
    """The same on a terminal, within 80 columns."""
    shown = ScreenTable(title=f"Table {_number(found)}: {found['title']}", title_justify="left")
    for name in ("row", "pair", "backbone", "metric"):
        shown.add_column(name)
    for name in ("printed", "ours", "seeds"):
        shown.add_column(name, justify="right")
    for cell in found["cells"]:
        ours, run = _ours(cell), cell["ours"]
        where = (escape(cell["row"]), cell["benchmark"], cell["backbone"], _short_metric(cell["metric"]))
        shown.add_row(*where, f"{cell['printed']:.1f}", ours.text, str(run["seeds"]) if run else "")
    console.print(shown)
    commands = _commands(found)
    if commands:
        console.print("Empty cells have not been run. What would fill them:", highlight=False)
    for command in commands:
        console.print(f"  {command}", highlight=False, soft_wrap=True)
    if missing := _missing(found):
        console.print(f"Not here as methods: {', '.join(missing)}.", highlight=False)


def _side_by_side(found: Found) -> Section:
    head = ["row", "pair", "backbone", "metric", "printed", "ours", "95 % interval", "seeds", "what ours is", "note"]
    rows = [_row(found, cell) for cell in found["cells"]]
    caption = (
        "VisDA rows of the paper's own runs print instance accuracy, the rows that Table 2 quotes print class means;"
        " where the metric of a quoted row is not known, ours is given in both."
    )
    return Section("table", "Printed and ours", tables=[Table(head, rows, caption)])


def _row(found: Found, cell: Found) -> list[Cell]:
    run = cell["ours"]
    what = f"{run['epochs']} epochs, {run['weights']} weights, best of {run['compared']}" if run else ""
    key = {"accuracy": "ci95"}.get(cell["metric"], f"ci95_{cell['metric']}")
    bounds = run.get(key) if run else None
    own = f"{cell['backbone']} (printed: its own)" if cell["own_network"] else cell["backbone"]
    return [
        Cell(cell["row"]), Cell(cell["benchmark"]), Cell(own), Cell(metric(cell["metric"])), number(cell["printed"]),
        Cell(_ours(cell).text, _link(found, cell), number=True),
        Cell(f"{bounds[0]:.1f} to {bounds[1]:.1f}" if bounds else "", number=True),
        Cell(str(run["seeds"]) if run else "", number=True), Cell(what), Cell(cell["note"] or ""),
    ]  # fmt: skip


def _ours(cell: Found) -> Cell:
    """Our figure in the row's metric; in both where it is unknown; empty where nothing was run."""
    run = cell["ours"]
    if run is None:
        return Cell("")
    if cell["metric"] == "unknown":
        return Cell(f"{run['accuracy']:.1f} instances, {run['mean_class_accuracy']:.1f} class mean")
    return number(run.get(cell["metric"]))


def _by_class(found: Found) -> Section | None:
    """Per-class figures, printed above ours, with both averages."""
    cells = [cell for cell in found["cells"] if cell["per_class"]]
    if not cells:
        return None
    names = list(cells[0]["per_class"])
    averages = ["miou"] if cells[0]["metric"] == "miou" else ["accuracy", "mean_class_accuracy"]
    head = ["row", "backbone", "", *names, *map(metric, averages)]
    rows = []
    for cell in cells:
        again = {k: v for k, v in (cell["recomputed"] or {}).items() if k != cell["metric"]}
        printed = again | {cell["metric"]: cell["printed"]}
        rows.append(_class_row(cell, "printed", cell["per_class"], names, [printed.get(a) for a in averages]))
        if run := cell["ours"]:
            rows.append(_class_row(cell, "ours", run["per_class"], names, [run.get(a) for a in averages]))
    caption = "Of a printed row the average in its own metric is as printed; the other follows from its classes."
    return Section("classes", "Class by class", tables=[Table(head, rows, caption)])


def _class_row(cell: Found, whose: str, figures: Found, names: list[str], averages: list[Any]) -> list[Cell]:
    values = [number(figures.get(name)) for name in names]
    return [Cell(cell["row"]), Cell(cell["backbone"]), Cell(whose), *values, *[number(one) for one in averages]]


def _to_fill(found: Found) -> Section | None:
    commands, missing = _commands(found), _missing(found)
    if not commands and not missing:
        return None
    words = ["Run here, each fills its cells; --epochs and --points make it smaller, and the page then says so."]
    if missing:
        words.append(f"Not here as methods, and so without a command: {', '.join(missing)}.")
    return Section("fill", "What would fill the empty cells", words if commands else words[1:], commands=commands)


def _beyond(found: Found) -> Section | None:
    """Figures of other works; under other protocols, and most chose their epoch by target labels."""
    if not found["beyond_the_paper"]:
        return None
    rows = [
        [
            Cell(row["row"]), Cell(row["benchmark"]), Cell(row["backbone"] or "its own"), Cell(metric(row["metric"])),
            number(row["average"]), Cell(row.get("note", "")), Cell(row["source"]),
        ]
        for row in found["beyond_the_paper"]
    ]  # fmt: skip
    words = ["Published since, under other protocols; DTA is not the state of the art today."]
    head = ["work", "pair", "backbone", "metric", "printed", "note", "source"]
    return Section("beyond", "Beyond the paper", words, [Table(head, rows)])


def _link(found: Found, cell: Found) -> str | None:
    base, run = found["links"].get(cell["benchmark"]), cell["ours"]
    return f"{base.partition('?')[0]}/{run['mlflow_run_ids'][0]}" if base and run else None


def _commands(found: Found) -> list[str]:
    return list(dict.fromkeys(cell["command"] for cell in found["cells"] if cell["command"]))


def _missing(found: Found) -> list[str]:
    cells = (cell for cell in found["cells"] if not cell["ours"] and not cell["command"])
    return list(dict.fromkeys(cell["row"] for cell in cells))


def _short_metric(name: str) -> str:
    return {"mean_class_accuracy": "class mean"}.get(name, metric(name))


def _number(found: Found) -> str:
    return value(found["paper"]).removeprefix("table")
