"""Published figures of a benchmark, as printed, each with its metric."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import yaml

import dta_bench
from dta_bench.report.document.published_figures import LaterWork, PublishedFigures, PublishedRow
from dta_bench.report.document.report import Report
from dta_bench.spec import yaml_file
from dta_bench.spec.spelling import spell_metric


def rows_of_benchmark(benchmark: str) -> list[PublishedRow]:
    """The rows of Tables 1 to 5 that belong to ``benchmark``."""
    return [row for row in _file().rows if row.benchmark == benchmark]


def rows_of_table(number: int) -> list[PublishedRow]:
    """The rows of one table of the paper, 1 to 5."""
    return [row for row in _file().rows if row.table == number]


def later_works() -> list[LaterWork]:
    """Figures of later works, each with its source."""
    return list(_file().beyond_the_paper)


def published_beside_ours(report: Report) -> list[list[str]]:
    """The published rows that fit a report's backbone, and our score where it is in the metric that the row prints.

    Returns:
        For each row: table, row, backbone, metric, printed, ours (``-`` where ours is in another metric).
    """
    return [
        [
            str(row.table), row.row, row.backbone or "its own", spell_metric(row.metric), f"{row.average:.1f}",
            "-" if (ours := _our_score(report, row)) is None else f"{ours:.1f}",
        ]
        for row in _fitting_rows(report)
    ]  # fmt: skip


def not_compared_sentences(report: Report) -> list[str]:
    """Published rows of this backbone in a metric that these runs have not measured, a sentence a metric."""
    rows: dict[str, list[str]] = {}
    for row in _fitting_rows(report):
        if _our_score(report, row) is None:
            rows.setdefault(row.metric, []).append(f"{row.row} ({row.table})")
    return [
        f"Not compared, printed as {spell_metric(metric)}, which these runs have not measured: {', '.join(names)}."
        for metric, names in rows.items()
    ]


def _fitting_rows(report: Report) -> list[PublishedRow]:
    """Rows of the selected backbone, and rows from a network of their own."""
    if report.selected is None:
        return []
    return [row for row in report.published if row.backbone in (None, report.selected.backbone)]


def _our_score(report: Report, row: PublishedRow) -> float | None:
    return report.test.average(row.metric) if report.test else None


def read_shipped(name: str) -> Any:
    """What a YAML file of ``reports/`` holds, in a checkout or an installation."""
    package = Path(dta_bench.__file__).parent
    for folder in (package, package.parent):
        path = folder / "reports" / name
        if path.exists():
            return yaml.load(path.read_text(encoding="utf-8"), yaml_file.FASTEST)
    raise FileNotFoundError(f"reports/{name} is part of every installation, but is missing from this one")


@functools.cache
def _file() -> PublishedFigures:
    return PublishedFigures.model_validate(read_shipped("published.yaml"))
