"""How names and numbers are spelt on a page."""

from __future__ import annotations

from typing import Any

from dta_bench.report.html.page import Cell

SIDES = {"selected": 1, "source_only": 2, "target_only": 3}
"""Each side's look in a figure."""


def side_name(found: dict[str, Any], side: str) -> str:
    """What a side of the report is called: the selected one by its method."""
    return str(found["selected"]["method"]) if side == "selected" else side.replace("_", "-")


def number(value: float | None, digits: int = 1, absent: str = "") -> Cell:
    """A figure, set flush right."""
    return Cell(absent if value is None else f"{value:.{digits}f}", number=True)


def interval(bounds: list[float]) -> Cell:
    """Both ends of an interval."""
    return Cell(f"{bounds[0]:.1f} to {bounds[1]:.1f}", number=True)


def metric(name: str) -> str:
    """``mean_class_accuracy`` as words."""
    return name.replace("_", " ").replace("miou", "mIoU")


def point(row: dict[str, Any], names: list[str]) -> str:
    """The parameters in which a row differs from others, spelt as in the search space."""
    return " ".join(f"{n}={value(row['params'][n])}" for n in names if n in row["params"])


def value(given: Any) -> str:
    """A parameter's value, as short as it can be."""
    return f"{given:g}" if isinstance(given, int | float) and not isinstance(given, bool) else str(given)


def configuration(row: dict[str, Any], names: list[str]) -> str:
    """A row's method, its backbone, and its values of the parameters in which it differs from others."""
    return f"{row['method']} {row['backbone']} {point(row, names)}".strip()


def runs_page(found: dict[str, Any]) -> str | None:
    """Where the runs of a report are shown in MLflow; None where the report does not say."""
    link = found.get("link")
    return str(link).partition("?")[0] if link else None


def run_page(found: dict[str, Any], mlflow_run_id: str) -> str | None:
    """Where one run is shown in MLflow."""
    base = runs_page(found)
    return f"{base}/{mlflow_run_id}" if base else None


def first_run(found: dict[str, Any], row: dict[str, Any]) -> str | None:
    """The page of a configuration's first seed."""
    ids = row.get("mlflow_run_ids") or []
    return run_page(found, ids[0]) if ids else None


def seed_links(found: dict[str, Any], curves: list[dict[str, Any]], name: str) -> list[tuple[str, str]]:
    """A link for each seed of a side of the report."""
    links = [(f"{name} seed {one['seed']}", run_page(found, one["mlflow_run_id"])) for one in curves]
    return [(text, address) for text, address in links if address]
