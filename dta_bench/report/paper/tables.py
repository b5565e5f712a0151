"""Tables 1 to 5 of the paper rebuilt: what it prints, and what the runs of a store say in the same metric."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from dta_bench import plugins
from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.errors import UserError
from dta_bench.report.baselines import is_baseline
from dta_bench.report.configurations import group_runs
from dta_bench.report.document.paper_table import OurScores, PaperCell, PaperTable
from dta_bench.report.document.published_figures import PublishedRow
from dta_bench.report.html.page import html, markdown
from dta_bench.report.paper.published import later_works, rows_of_table
from dta_bench.report.paper.render import paper_page
from dta_bench.report.summary import summarise
from dta_bench.spec.seeds import is_confirmation
from dta_bench.tracking import TrackedRun, Tracker, standing_runs, ui_link

TITLES = {
    "table1": "Small image datasets",
    "table2": "VisDA-2017 classification, ResNet-101",
    "table3": "GTA5 to Cityscapes, FCN on ResNet-50",
    "table4": "VisDA-2017 classification, ResNet-50",
    "table5": "Which term does what, VisDA-2017",
}
TERMS = ("delta_c", "delta_e", "lambda_3")
"""The parameter that switches each term of Table 5 on: fDTA, cDTA, VAT."""
PRETRAINED = ("visda", "gta5_cityscapes")
"""Benchmarks whose networks the paper starts from ImageNet weights."""


def paper_table(tracker: Tracker, name: str, places: str = "") -> PaperTable:
    """One table of the paper, each printed figure with ours beside it, or with the command that would fill it.

    Ours is the configuration that the labelled subset chooses among the row's method on the row's backbone, with
    its target test score at the last epoch. Any number of epochs, seeds or points will do; the table says how many.

    Args:
        name: ``table1`` to ``table5``.
        places: the options that lead a command to the same data and store, with a space before each.

    Raises:
        UserError: an unknown table.
    """
    if name not in TITLES:
        raise UserError(f"there is no paper table named {name!r}; there are: {', '.join(TITLES)}")
    rows = rows_of_table(int(name.removeprefix("table")))
    runs = {benchmark: _standing(tracker, benchmark) for benchmark in dict.fromkeys(row.benchmark for row in rows)}
    cells = [_cell(tracker, row, runs[row.benchmark], places) for row in rows]
    return PaperTable(
        paper=name, title=TITLES[name], cells=cells, run=sum(cell.ours is not None for cell in cells),
        links={b: ui_link(tracker.uri, tracked[0].experiment_id) for b, tracked in runs.items() if tracked},
        beyond_the_paper=[work for work in later_works() if work.benchmark in runs],
    )  # fmt: skip


def _standing(tracker: Tracker, benchmark: str) -> list[TrackedRun]:
    """A benchmark's runs, one of each spec and seed; without those whose spec has fields of a newer version."""
    return standing_runs(run for run in tracker.runs(benchmark) if not run.unknown_fields)[0]


def write_paper(table: PaperTable, folder: Path) -> None:
    """Keep a table of the paper as ``<table>.json``, ``.html`` and ``.md``."""
    folder.mkdir(parents=True, exist_ok=True)
    page = paper_page(table)
    as_json = json.dumps(table.json_object(), indent=2) + "\n"
    for ending, text in {"json": as_json, "html": html(page), "md": markdown(page)}.items():
        (folder / f"{table.paper}.{ending}").write_text(text, encoding="utf-8")


def _cell(tracker: Tracker, row: PublishedRow, runs: Sequence[TrackedRun], places: str) -> PaperCell:
    backbone = row.backbone or backbone_of(row.benchmark)
    ours = _our_scores(tracker, row, [run for run in runs if run.status == "FINISHED" and _fits(run, row, backbone)])
    command = None if ours else fill_command(row, backbone)
    return PaperCell(
        row=row.row, benchmark=row.benchmark, method=row.method, metric=row.metric, note=row.note,
        per_class=row.per_class, recomputed=row.recomputed, backbone=backbone, own_network=row.backbone is None,
        printed=row.average, ours=ours, command=command and command + places,
    )  # fmt: skip


def _fits(run: TrackedRun, row: PublishedRow, backbone: str) -> bool:
    """Whether a run is of this row: its method, its backbone, and of Table 5 the terms that it has and lacks."""
    if (run.spec.method, run.spec.backbone) != (row.method, backbone):
        return False
    if row.without is None:
        return True
    return all(bool(run.spec.params.get(term)) == (term not in row.without) for term in TERMS)


def _our_scores(tracker: Tracker, row: PublishedRow, runs: list[TrackedRun]) -> OurScores | None:
    """The scores of what the labelled subset chooses among ``runs``, on fresh seeds where these were run.

    None if no run of a search is among them.
    """
    if all(is_confirmation(run.spec.seed) for run in runs):
        return None
    benchmark = benchmark_of(row.benchmark)
    report = summarise(benchmark, group_runs(tracker, runs), runs, "labels")
    first = report.leaderboard[0]
    side = row.method if is_baseline(str(row.method)) else "selected"
    return OurScores(
        **report.scores_by_side()[str(side)].model_dump(), params=first.params, epochs=report.training.epochs,
        weights=runs[0].spec.weights, compared=max(1, report.compared), mlflow_run_ids=first.mlflow_run_ids,
    )  # fmt: skip


def fill_command(row: PublishedRow, backbone: str) -> str | None:
    """What would fill a cell: a sweep of one point, or Table 5's own; None where its method is not here."""
    method = row.method
    if method not in plugins.names("method"):
        return None
    method = "dta" if method == "source_only" else method  # every sweep runs source-only beside its method
    weights = " --weights hub" if row.benchmark in PRETRAINED else ""
    if row.table == 5:
        return f"dta-bench sweep ablation_visda --backbone {backbone}{weights}"
    sizes = "--points 1 --seeds 1 --confirm 3"
    return f"dta-bench sweep {row.benchmark} --backbone {backbone} --method {method} {sizes}{weights}"


def backbone_of(benchmark: str) -> str:
    """The paper's network for a pair: where a row is from a network of its own, ours runs on this one."""
    rows = [row for number in range(1, 6) for row in rows_of_table(number) if row.benchmark == benchmark]
    return next(row.backbone for row in rows if row.backbone)
