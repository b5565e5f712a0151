"""Published figures of a benchmark, as printed, each with its metric."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import yaml

import dta_bench
from dta_bench.spec.run_spec import spelt


def published(benchmark: str) -> list[dict[str, Any]]:
    """The rows of Tables 1 to 5 that belong to ``benchmark``."""
    return [row for row in _file()["rows"] if row["benchmark"] == benchmark]


def of_table(number: int) -> list[dict[str, Any]]:
    """The rows of one table of the paper, 1 to 5."""
    return [row for row in _file()["rows"] if row["table"] == number]


def beyond() -> list[dict[str, Any]]:
    """Figures of later works, each with its source."""
    found: list[dict[str, Any]] = _file()["beyond_the_paper"]
    return found


def beside(found: dict[str, Any]) -> list[list[str]]:
    """The published rows of a report that fit its backbone: table, row, backbone, metric, printed, ours.

    Ours is the selected configuration's score in the metric that the row prints, and ``-`` where that is unknown.
    """
    test = found["test"] or {}
    fitting = (None, found["selected"]["backbone"]) if found["selected"] else ()
    return [
        [
            str(row["table"]), row["row"], row["backbone"] or "its own", spelt(row["metric"]),
            f"{row['average']:.1f}", f"{test[row['metric']]:.1f}" if row["metric"] in test else "-",
        ]
        for row in found["published"]
        if row["backbone"] in fitting
    ]  # fmt: skip


def not_compared(found: dict[str, Any]) -> list[str]:
    """Published rows of this backbone in a metric that these runs have not measured, a sentence a metric."""
    test = found["test"] or {}
    fitting = (None, found["selected"]["backbone"]) if found["selected"] else ()
    rows: dict[str, list[str]] = {}
    for row in found["published"]:
        if row["backbone"] in fitting and row["metric"] not in test:
            rows.setdefault(row["metric"], []).append(f"{row['row']} ({row['table']})")
    return [
        f"Not compared, printed as {spelt(metric)}, which these runs have not measured: {', '.join(names)}."
        for metric, names in rows.items()
    ]


@functools.cache
def _file() -> dict[str, Any]:
    package = Path(dta_bench.__file__).parent
    for folder in (package, package.parent):
        path = folder / "reports" / "published.yaml"
        if path.exists():
            found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
            return found
    raise FileNotFoundError("reports/published.yaml is part of every installation, but is missing from this one")
