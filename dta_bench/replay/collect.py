"""From the tracked runs of a complete grid to its table."""

from __future__ import annotations

from typing import Any

from dta_bench.data import load
from dta_bench.errors import UserError
from dta_bench.replay.table import CURVES, Point, Run, Table, rounded
from dta_bench.report.records import Record, configurations
from dta_bench.report.selection.rules import FINAL
from dta_bench.spec.plan import Plan
from dta_bench.spec.run_spec import RunSpec
from dta_bench.tracking import TrackedRun, Tracker

PARTS = {"labels": "validation/", "source": "source_validation/"}  # the others are target_train/<criterion>
MADE = ("commit", "data_fingerprint", "code_fingerprint", "versions", "device")


def collect(plan: Plan, tracker: Tracker) -> Table:
    """The table of a plan's first method on its first backbone.

    Raises:
        UserError: the grid is not complete.
    """
    benchmark = load.benchmark_of(plan.file.benchmark)
    method, backbone = plan.methods[0], plan.backbones[0]
    space = plan.space(method)
    tracked = {run.run_id: run for run in tracker.runs(benchmark.name) if run.status == "FINISHED"}
    grid = [(point, [plan.spec(backbone, method, seed, point) for seed in plan.seeds]) for point in space.points()]
    _check_complete(plan, [spec for _, specs in grid for spec in specs], tracked)
    wanted = [tracked[spec.id] for _, specs in grid for spec in specs]
    rows = {record.run.run_id: _row(record, tracker, benchmark.headline) for record in _records(tracker, wanted)}
    return Table(
        name=plan.name, benchmark=benchmark.name, method=method, backbone=backbone, headline=benchmark.headline,
        classes=len(benchmark.classes), epochs=plan.training.epochs, labels=plan.label_subset.size,
        sets={k: list(v) for k, v in space.sets.items()}, active_when=dict(space.active_when),
        first=plan.row_point(backbone, method),
        points=[Point(params=point, runs=[rows[spec.id] for spec in specs]) for point, specs in grid],
        made={key: sorted({run.tags.get(key, "") for run in wanted}) for key in MADE},
    )  # fmt: skip


def _check_complete(plan: Plan, specs: list[RunSpec], tracked: dict[str, TrackedRun]) -> None:
    missing = sum(spec.id not in tracked for spec in specs)
    if missing:
        raise UserError(
            f"the grid of {plan.name} is not complete: {missing} of its {len(specs)} runs are missing; "
            f"dta-bench sweep {plan.name} runs them"
        )


def _records(tracker: Tracker, runs: list[TrackedRun]) -> list[Record]:
    return [record for c in configurations(tracker, runs) for record in c.records]


def _row(record: Record, tracker: Tracker, headline: str) -> Run:
    names = {curve: _metric(curve, headline) for curve in CURVES}
    told = tracker.history(record.run, list(names.values()))
    tests = {
        key: value for key, value in record.run.metrics.items() if key.startswith("test/") and "/class/" not in key
    }
    return Run(
        seed=record.spec.seed,
        curves=rounded({curve: told[name][1] for curve, name in names.items()}),
        final=rounded({name: of(record) for name, of in FINAL.items()}),
        test=rounded({key.removeprefix("test/"): value for key, value in tests.items()}),
        seconds=round(record.run.metrics["seconds"], 2),
    )


def _metric(curve: str, headline: str) -> str:
    return PARTS[curve] + headline if curve in PARTS else f"target_train/{curve}"


def summary(table: Table) -> dict[str, Any]:
    """What a table holds, in a few numbers."""
    tests = sorted(table.test(point) for point in table.points)
    return {
        "points": len(table.points), "runs": sum(len(p.runs) for p in table.points), "epochs": table.all_epochs(),
        "best": tests[-1], "median": tests[len(tests) // 2], "worst": tests[0],
    }  # fmt: skip
