"""How the report was made, so that it can be made again."""

from __future__ import annotations

from dta_bench.report.document.report import Report
from dta_bench.report.html.page import Cell, Section, Table
from dta_bench.report.html.sections.links import runs_page


def provenance_section(report: Report) -> Section:
    """Commands, training, labelled subset, and every fingerprint."""
    subset, recorded = report.subset, report.provenance
    training = ", ".join(
        f"{key} {value}" for key, value in report.training.model_dump().items() if value not in (None, {})
    )
    drawn = "none"
    if subset is not None:
        came = "given by the user" if subset.given else f"seed {subset.seed}"
        drawn = f"{subset.size} images of target train, {came}" + (f", hash {subset.hash[:12]}" if subset.hash else "")
    facts = [
        ("training", training), ("budget", report.budget or "none"), ("labelled subset", drawn),
        ("commit", ", ".join(recorded.commit)),
        ("data", ", ".join(recorded.data_fingerprint)), ("code", ", ".join(recorded.code_fingerprint)),
        ("versions", ", ".join(recorded.versions)), ("device", ", ".join(recorded.device)),
    ]  # fmt: skip
    rows = [[Cell(what), Cell(value)] for what, value in facts if value]
    if address := runs_page(report):
        rows.append([Cell("runs in MLflow"), Cell(address, address)])
    commands = [*(report.commands or []), f"dta-bench report {report.benchmark} --select {report.rule}"]
    words = ["Each run is found again by its identity; these commands made the runs and this page:"]
    return Section("made", "How this was made", words, [Table(["", ""], rows)], commands=commands)
