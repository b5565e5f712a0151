"""From the tracked runs of a complete grid to the file that replays read."""

from __future__ import annotations

from dta_bench.errors import UserError
from dta_bench.replay.grid import CURVES, Grid, GridPoint, GridRun, round_numbers
from dta_bench.report.configurations import StoredRun, group_runs
from dta_bench.report.selection.rules import FINAL
from dta_bench.spec.plan import Plan
from dta_bench.spec.run_spec import RunSpec
from dta_bench.tracking import TrackedRun, Tracker, standing_runs

PARTS = {"labels": "validation/", "source": "source_validation/"}  # the others are target_train/<criterion>
PROVENANCE = ("commit", "data_fingerprint", "code_fingerprint", "versions", "device")


def collect_grid(plan: Plan, tracker: Tracker) -> Grid:
    """The grid of a plan's first method on its first backbone.

    Raises:
        UserError: the grid is not complete.
    """
    benchmark = plan.benchmark
    method, backbone = plan.methods[0], plan.backbones[0]
    space = plan.space(method)
    stored = standing_runs(tracker.runs(benchmark.name))[0]
    tracked = {run.run_id: run for run in stored if run.status == "FINISHED"}
    specs_by_point = [
        (point, [plan.spec(backbone, method, seed, point) for seed in plan.seeds]) for point in space.points()
    ]
    _check_complete(plan, [spec for _, specs in specs_by_point for spec in specs], tracked)
    wanted = [tracked[spec.id] for _, specs in specs_by_point for spec in specs]
    rows = {run.tracked.run_id: _grid_run(run, tracker, benchmark.headline) for run in _finished_runs(tracker, wanted)}
    return Grid(
        name=plan.name, benchmark=benchmark.name, method=method, backbone=backbone, headline=benchmark.headline,
        classes=len(benchmark.classes), epochs=plan.training.epochs, labels=plan.label_subset.size,
        sets={k: list(v) for k, v in space.sets.items()}, active_when=dict(space.active_when),
        first=plan.first_point(backbone, method),
        points=[GridPoint(params=point, runs=[rows[spec.id] for spec in specs]) for point, specs in specs_by_point],
        made={key: sorted({run.tags.get(key, "") for run in wanted}) for key in PROVENANCE},
    )  # fmt: skip


def _check_complete(plan: Plan, specs: list[RunSpec], tracked: dict[str, TrackedRun]) -> None:
    missing = sum(spec.id not in tracked for spec in specs)
    if missing:
        raise UserError(
            f"the grid of {plan.name} is not complete: {missing} of its {len(specs)} runs are missing; "
            f"dta-bench sweep {plan.name} runs them"
        )


def _finished_runs(tracker: Tracker, runs: list[TrackedRun]) -> list[StoredRun]:
    return [run for c in group_runs(tracker, runs) for run in c.runs]


def _grid_run(run: StoredRun, tracker: Tracker, headline: str) -> GridRun:
    metrics = {curve: _metric_of(curve, headline) for curve in CURVES}
    history = tracker.history(run.tracked, list(metrics.values()))
    tests = {
        key: value for key, value in run.tracked.metrics.items() if key.startswith("test/") and "/class/" not in key
    }
    return GridRun(
        seed=run.spec.seed,
        curves=round_numbers({curve: history[metric][1] for curve, metric in metrics.items()}),
        final=round_numbers({name: criterion(run) for name, criterion in FINAL.items()}),
        test=round_numbers({key.removeprefix("test/"): value for key, value in tests.items()}),
        seconds=round(run.tracked.metrics["seconds"], 2),
    )


def _metric_of(curve: str, headline: str) -> str:
    """The metric's key in the store."""
    return PARTS[curve] + headline if curve in PARTS else f"target_train/{curve}"
