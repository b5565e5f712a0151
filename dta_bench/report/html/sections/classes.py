"""Class by class: ours, source-only, and the published row of the same metric."""

from __future__ import annotations

from typing import Any

from dta_bench.report.html.charts.bars import class_bars
from dta_bench.report.html.page import Cell, Figure, Section, Table
from dta_bench.report.html.sections.spelling import interval, metric, number, seed_links
from dta_bench.report.paper.published import beside

AVERAGES = (("accuracy", "ci95"), ("mean_class_accuracy", "ci95_mean_class_accuracy"), ("miou", "ci95_miou"))


def classes(found: dict[str, Any]) -> Section | None:
    """The per-class table and bars, and what the paper prints beside ours in the same metric."""
    sides = sides_of(found)
    if not sides:
        return None
    names = list(next(iter(sides.values()))["per_class"])
    printed = _printed(found, names)
    tables = [_table(names, sides, printed)]
    if rows := beside(found):
        tables.append(_published(rows))
    drawn = class_bars(
        names, {side: [s["per_class"].get(n) for n in names] for side, s in sides.items()}, "Target test by class"
    )
    caption = "Target test by class, last epoch, mean over seeds."
    return Section("classes", "Class by class", _words(found), tables, [Figure(drawn, caption, _links(found))])


def sides_of(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The selected configuration and the baselines that were run beside it."""
    name = found["selected"]["method"] if found["selected"] else "selected"
    sides = {name: found["test"], "source-only": found["source_only"], "target-only": found["target_only"]}
    return {side: scores for side, scores in sides.items() if scores}


def _words(found: dict[str, Any]) -> list[str]:
    if found["published"]:
        return ["A published row stands beside ours only with its metric named; averages of two metrics never rank."]
    return ["The paper prints no figures for this pair."]


def _printed(found: dict[str, Any], names: list[str]) -> dict[str, dict[str, Any]]:
    """Published rows with per-class figures, of our backbone and of a method of ours that is shown."""
    backbone = found["selected"]["backbone"] if found["selected"] else None
    shown = {found["selected"]["method"] if found["selected"] else "", "source_only"}
    return {
        f"Table {row['table']}, {row['row']} ({metric(row['metric'])})": row
        for row in found["published"]
        if row.get("per_class") and row["backbone"] == backbone and row.get("method") in shown
        and list(row["per_class"]) == names
    }  # fmt: skip


def _table(names: list[str], sides: dict[str, dict[str, Any]], printed: dict[str, dict[str, Any]]) -> Table:
    head = ["class", *sides, *[f"printed: {title}" for title in printed]]
    rows = [
        [
            Cell(name),
            *[number(s["per_class"].get(name), absent="absent") for s in sides.values()],
            *[number(row["per_class"][name]) for row in printed.values()],
        ]
        for name in names
    ]
    for key, bounds in AVERAGES:
        if any(key in scores for scores in sides.values()):
            rows.append(_average(key, sides, printed))
            if all(bounds in scores for scores in sides.values()):
                blank = [Cell("") for _ in printed]
                rows.append([Cell("95 % interval"), *[interval(s[bounds]) for s in sides.values()], *blank])
    strong = frozenset(range(len(names), len(rows), 2))
    return Table(head, rows, "Target test, %, last epoch, mean over seeds.", strong)


def _average(key: str, sides: dict[str, dict[str, Any]], printed: dict[str, dict[str, Any]]) -> list[Cell]:
    """Ours, and of a published row its printed average if it is this metric, else what its classes give."""
    cells = [Cell("class mean" if key == "mean_class_accuracy" else metric(key))]
    cells += [number(scores.get(key)) for scores in sides.values()]
    for row in printed.values():
        again = row.get("recomputed", {}).get(key)
        cells.append(number(row["average"]) if row["metric"] == key else number(again))
    return cells


def _published(rows: list[list[str]]) -> Table:
    head = ["table", "row", "backbone", "metric", "printed", "ours"]
    body = [[*map(Cell, row[:4]), *[Cell(text, number=True) for text in row[4:]]] for row in rows]
    return Table(head, body, "Published, as printed, beside ours in the same metric; - where ours is another one.")


def _links(found: dict[str, Any]) -> list[tuple[str, str]]:
    curves = found.get("curves", {})
    chosen = found["selected"]["method"] if found["selected"] else ""
    return [
        *seed_links(found, curves.get("selected", []), chosen),
        *seed_links(found, curves.get("source_only", []), "source-only"),
    ]
