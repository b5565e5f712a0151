"""Where runs are shown in MLflow, and how the sides of a report are called."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dta_bench.report.document.report import Report
from dta_bench.report.document.run_details import SeedCurves
from dta_bench.report.document.scores import LeaderboardRow
from dta_bench.spec.spelling import label_run, spell_method


def side_name(report: Report, side: str) -> str:
    """What a side is called: the selected one by its method, the baselines source-only and target-only."""
    return report.selected.method if side == "selected" and report.selected else spell_method(side)


def runs_page(report: Report) -> str | None:
    """Where MLflow shows all runs of the benchmark; None where the report does not say."""
    return report.link.partition("?")[0] if report.link else None


def run_page(report: Report, mlflow_run_id: str) -> str | None:
    """Where MLflow shows one run."""
    base = runs_page(report)
    return f"{base}/{mlflow_run_id}{_view(report)}" if base else None


def _view(report: Report) -> str:
    """The part of the report's link that says which of MLflow's views is meant, for the link to a run."""
    shown = re.search(r"workflowType=\w+", report.link or "")
    return f"?{shown[0]}" if shown else ""


def first_run_page(report: Report, row: LeaderboardRow) -> str | None:
    """Where MLflow shows a configuration's first seed."""
    return run_page(report, row.mlflow_run_ids[0]) if row.mlflow_run_ids else None


def seed_links(report: Report, side: str) -> list[tuple[str, str]]:
    """A link (text, address) for each run of a side."""
    return links_to(report, side, (report.curves or {}).get(side, []))


def links_to(report: Report, side: str, runs: Sequence[SeedCurves]) -> list[tuple[str, str]]:
    """A link (text, address) for each of these runs of a side."""
    method = report.selected.method if side == "selected" and report.selected else side
    links = [(label_run(method, {}, seed=run.seed), run_page(report, run.mlflow_run_id)) for run in runs]
    return [(text, address) for text, address in links if address]
