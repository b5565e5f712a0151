"""How the report was made, so that it can be made again."""

from __future__ import annotations

from typing import Any

from dta_bench.report.html.page import Cell, Section, Table
from dta_bench.report.html.sections.spelling import runs_page

NAMES = {
    "commit": "commit", "data_fingerprint": "data", "code_fingerprint": "code", "versions": "versions",
    "device": "device",
}  # fmt: skip


def made(found: dict[str, Any]) -> Section:
    """Commands, training, subset, and every fingerprint."""
    subset = found["subset"]
    training = ", ".join(f"{key} {value}" for key, value in found["training"].items() if value is not None)
    drawn = f"{subset['size']} images of target train, seed {subset['seed']}, hash {subset['hash'][:12]}"
    facts = [("training", training), ("label subset", drawn)]
    facts += [(NAMES.get(key, key), ", ".join(values)) for key, values in found["provenance"].items()]
    rows = [[Cell(what), Cell(value)] for what, value in facts]
    if address := runs_page(found):
        rows.append([Cell("runs in MLflow"), Cell(address, address)])
    commands = [*found.get("commands", []), f"dta-bench report {found['benchmark']} --select {found['rule']}"]
    words = ["Each run is found again by its identity; these commands made the runs and this page:"]
    return Section("made", "How this was made", words, [Table(["", ""], rows)], commands=commands)
