"""Tables of a suite as other works print them, beside our averages."""

from __future__ import annotations

import functools

from dta_bench.report.document.suite_report import PrintedRow, PrintedTable, PrintedTables, SuiteReport
from dta_bench.report.html.page import Cell, Section, Table
from dta_bench.report.paper.published import read_shipped
from dta_bench.spec.spelling import spell_metric


@functools.cache
def _file() -> PrintedTables:
    return PrintedTables.model_validate(read_shipped("published_suites.yaml"))


def printed_tables(suite: str) -> list[PrintedTable]:
    """The tables of a suite in ``reports/published_suites.yaml``."""
    return [table for table in _file().tables if table.suite == suite]


def our_average(report: SuiteReport, table: PrintedTable, row: PrintedRow) -> float | None:
    """Our average of a row's method over the row's pairs; None without all of them, or in another metric."""
    cells = [report.pairs[key].methods.get(row.method or "") if key in report.pairs else None for key in row.pairs]
    scores = [cell.score for cell in cells if cell is not None]
    return sum(scores) / len(scores) if len(scores) == len(cells) and report.headline == table.metric else None


def printed_section(report: SuiteReport) -> Section | None:
    """The section of printed tables; None where there is none of this suite."""
    if not report.printed:
        return None
    words = [
        "Figures of other works, each in its own metric, on its own network and chosen in its own way. Ours stand "
        f"beside them where all pairs of a row are there in the same metric (network: {report.backbone}, weights "
        f"{report.weights}; chosen by the rule {report.rule}). Where these differ, a difference of scores says "
        "nothing of the methods."
    ]
    tables = [one for table in report.printed for one in (_averages(report, table), _pairs(table))]
    return Section("printed", "As others print it", words, tables)


def _averages(report: SuiteReport, table: PrintedTable) -> Table:
    rows = []
    for row in table.rows:
        ours = our_average(report, table, row)
        rows.append(
            [
                Cell(row.row), Cell(spell_metric(table.metric)), Cell(table.backbone), Cell(table.selection),
                Cell(f"{row.average:.1f}", number=True), Cell("" if ours is None else f"{ours:.1f}", number=True),
            ]
        )  # fmt: skip
    head = ["row", "metric", "network", "chosen by", f"printed average of {len(table.rows[0].pairs)}", "ours"]
    return Table(head, rows, f"Source: {table.source}.")


def _pairs(table: PrintedTable) -> Table:
    pairs = list(table.rows[0].pairs)
    rows = [[Cell(row.row), *[Cell(f"{row.pairs[key]:.1f}", number=True) for key in pairs]] for row in table.rows]
    return Table(["row", *pairs], rows, folded="Each pair as printed")
