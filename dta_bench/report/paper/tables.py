"""Tables 1 to 5 of the paper rebuilt: what it prints, and what the runs of a store say in the same metric."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dta_bench import plugins
from dta_bench.errors import UserError
from dta_bench.report.html.page import html, markdown
from dta_bench.report.paper.published import beyond, of_table
from dta_bench.report.paper.render import paper_page
from dta_bench.report.records import BASELINES, configurations
from dta_bench.report.summary import table
from dta_bench.tracking import TrackedRun, Tracker, ui_link

TITLES = {
    "table1": "Small image datasets",
    "table2": "VisDA-2017 classification, ResNet-101",
    "table3": "GTA5 to Cityscapes, FCN on ResNet-50",
    "table4": "VisDA-2017 classification, ResNet-50",
    "table5": "Which term does what, VisDA-2017",
}
TERMS = ("delta_c", "delta_e", "lambda_3")
PRETRAINED = ("visda", "gta5_cityscapes")  # the paper starts these from ImageNet


def paper_table(tracker: Tracker, name: str) -> dict[str, Any]:
    """One table of the paper, each printed figure with ours beside it, or with the command that would fill it.

    Ours is the configuration that the labelled subset chooses among the row's method on the row's backbone, with
    its target test score at the last epoch; any number of epochs, seeds or points will do, and is told.

    Raises:
        UserError: an unknown table.
    """
    if name not in TITLES:
        raise UserError(f"there is no paper table named {name!r}; there are: {', '.join(TITLES)}")
    rows = of_table(int(name.removeprefix("table")))
    runs = {benchmark: tracker.runs(benchmark) for benchmark in dict.fromkeys(row["benchmark"] for row in rows)}
    cells = [_cell(tracker, row, runs[row["benchmark"]]) for row in rows]
    return {
        "paper": name, "title": TITLES[name], "cells": cells,
        "run": sum(cell["ours"] is not None for cell in cells),
        "links": {b: ui_link(tracker.uri, found[0].experiment_id) for b, found in runs.items() if found},
        "beyond_the_paper": [row for row in beyond() if row["benchmark"] in runs],
    }  # fmt: skip


def write_paper(found: dict[str, Any], folder: Path) -> None:
    """Keep a table of the paper as ``<table>.json``, ``.html`` and ``.md``."""
    folder.mkdir(parents=True, exist_ok=True)
    page = paper_page(found)
    texts = {"json": json.dumps(found, indent=2, default=str) + "\n", "html": html(page), "md": markdown(page)}
    for ending, text in texts.items():
        (folder / f"{found['paper']}.{ending}").write_text(text, encoding="utf-8")


def _cell(tracker: Tracker, row: dict[str, Any], runs: list[TrackedRun]) -> dict[str, Any]:
    backbone = row["backbone"] or backbone_of(row["benchmark"])
    ours = _ours(tracker, row, [run for run in runs if run.status == "FINISHED" and _fits(run, row, backbone)])
    cell = {key: row.get(key) for key in ("row", "benchmark", "method", "metric", "note", "per_class", "recomputed")}
    return cell | {
        "backbone": backbone, "own_network": row["backbone"] is None, "printed": row["average"],
        "ours": ours, "command": None if ours else command(row, backbone),
    }  # fmt: skip


def _fits(run: TrackedRun, row: dict[str, Any], backbone: str) -> bool:
    """Whether a run is of this row: its method, its backbone, and of Table 5 the terms that it has and lacks."""
    if (run.spec.method, run.spec.backbone) != (row.get("method"), backbone):
        return False
    if "without" not in row:
        return True
    return all(bool(run.spec.params.get(term)) == (term not in row["without"]) for term in TERMS)


def _ours(tracker: Tracker, row: dict[str, Any], runs: list[TrackedRun]) -> dict[str, Any] | None:
    """The scores of what the labelled subset chooses among ``runs``; None if there are none."""
    if not runs:
        return None
    defined = plugins.load("benchmark", row["benchmark"]).BENCHMARK
    found = table(defined, configurations(tracker, runs), runs, "labels")
    chosen = found["leaderboard"][0]
    scores: dict[str, Any] = found[row["method"]] if row["method"] in BASELINES else found["test"]
    return scores | {
        "params": chosen["params"], "epochs": found["training"]["epochs"], "weights": runs[0].spec.weights,
        "compared": max(1, found["compared"]), "mlflow_run_ids": chosen["mlflow_run_ids"],
    }  # fmt: skip


def command(row: dict[str, Any], backbone: str) -> str | None:
    """What would fill a cell: a sweep of one point, or Table 5's own; None where its method is not here."""
    method = row.get("method")
    if method not in plugins.names("method"):
        return None
    method = "dta" if method == "source_only" else method  # every sweep runs source-only beside its method
    weights = " --weights hub" if row["benchmark"] in PRETRAINED else ""
    if row["table"] == 5:
        return f"dta-bench sweep ablation_visda --backbone {backbone}{weights}"
    return f"dta-bench sweep {row['benchmark']} --backbone {backbone} --method {method} --points 1 --seeds 3{weights}"


def backbone_of(benchmark: str) -> str:
    """The paper's network for a pair: where a row is from a network of its own, ours runs on this one."""
    rows = [row for number in range(1, 6) for row in of_table(number) if row["benchmark"] == benchmark]
    return next(str(row["backbone"]) for row in rows if row["backbone"])
