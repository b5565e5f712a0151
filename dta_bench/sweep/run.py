"""A sweep from its plan to its last run; the same call starts it, resumes it, and finds it finished."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from rich.console import Console

from dta_bench import execution
from dta_bench.errors import UserError
from dta_bench.execution import Home
from dta_bench.experiment import RunSpec, spelt
from dta_bench.sweep.cluster import Resources
from dta_bench.sweep.launch import launch
from dta_bench.sweep.plan import Plan
from dta_bench.sweep.progress import Progress
from dta_bench.sweep.state import State, state_of
from dta_bench.tracking import Tracker


@dataclass(frozen=True)
class Swept:
    """What a sweep left behind: how many of its runs are done, and why the others are not."""

    done: int
    failed: dict[str, str]
    seconds: float = 0.0


def sweep(plan: Plan, home: Home, resources: Resources, console: Console) -> Swept:
    """Do what is missing of ``plan``.

    Raises:
        UserError: data or store out of reach, or another sweep is writing to the same folder.
        Interrupted: Ctrl-C or SIGTERM; the same call goes on.
    """
    # What is wrong with the data is told before anything is written.
    execution.splits_of(plan.runs[0], home.root, home.skip_unreadable)
    execution.check_labels(plan.file.benchmark, home.root, home.skip_unreadable)
    _make_folder(Path(home.out, "runs"))
    with _alone(home):
        tracker = home.tracker()
        tracker.check()
        state = standing(plan, home, tracker)
        _say(plan, state, console)
        for stale, changes in state.stale:
            run_again(console, stale.name, changes)
            tracker.supersede(stale.mlflow_run_id)
        if state.to_do:
            _work(plan, state, home, tracker, resources, console)
    return _outcome(plan, tracker)


def run_again(console: Console, name: str, changes: str) -> None:
    """Say which run is superseded, and why; the name comes from the store, and is printed as the text that it is."""
    printable = "".join(letter for letter in name if letter.isprintable())
    console.print(f"will run again: {printable} ({changes})", highlight=False, soft_wrap=True, markup=False)


def standing(plan: Plan, home: Home, tracker: Tracker) -> State:
    """Where each run of the plan stands, judged by today's data and code."""

    def marks(run: RunSpec) -> dict[str, str]:
        return execution.fingerprints(run, home.root, home.skip_unreadable)

    return state_of(plan.runs, tracker.runs(plan.file.benchmark), marks)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder} cannot be made ({error.strerror}); name another folder with --out") from error


def _alone(home: Home) -> Any:
    lock = FileLock(Path(home.out, "runs", "sweep.lock"))
    try:
        return lock.acquire(timeout=0)
    except Timeout as error:
        raise UserError(
            f"another sweep is running in {home.out}; wait for it, or give this one another folder with --out"
        ) from error


def _say(plan: Plan, state: State, console: Console) -> None:
    console.print(
        f"[bold]{plan.name}[/bold]: {plan.points} points of {plan.methods[0]}, {len(plan.seeds)} seeds, "
        f"{len(plan.runs)} runs with the baselines; {len(state.done)} done, {len(state.to_do)} to do",
        highlight=False,
        soft_wrap=True,
    )
    if state.diverged:
        names = ", ".join(plan.run_name(run) for run in state.diverged)
        console.print(f"not tried again, they diverged on this data and code: {names}", highlight=False, soft_wrap=True)
    for note in [*plan.notes(), *_empty_budgets(plan)]:
        console.print(f"note: {note}", highlight=False, soft_wrap=True)


def _empty_budgets(plan: Plan) -> list[str]:
    """Perturbations that are too small to flip a single unit of a backbone, so that their point equals delta = 0."""
    found = []
    for backbone in plan.backbones:
        units = execution.site_units(plan.file.benchmark, backbone)
        for name, count in units.items():
            values = {float(run.params.get(name, 0)) for run in plan.runs if run.backbone == backbone}
            found += [
                f"{backbone}: {name}={value:g} of {count} units flips none, the same as {name}=0"
                for value in sorted(values)
                if value > 0 and int(value * count + 1e-9) == 0
            ]
    return found


def _work(plan: Plan, state: State, home: Home, tracker: Tracker, resources: Resources, console: Console) -> None:
    benchmark = execution.benchmark_of(plan.file.benchmark)
    tracker.experiment(benchmark)
    parent = tracker.start_sweep(plan.file.benchmark, plan.name, sweep_id(plan), {"search_space": plan.name})
    progress = Progress(console, len(state.to_do), plan.training.epochs, len(state.done), spelt(benchmark.headline))
    ended, died = "KILLED", dict[str, str]()
    try:
        with progress:
            died = launch(plan, state.to_do, home, parent, resources, progress)
        ended = "FINISHED"
    finally:
        _reconcile(plan, tracker, died)
        tracker.end_sweep(parent, ended)


def sweep_id(plan: Plan) -> str:
    """Identity of the parent run: the search space's name and what all its runs share."""
    shared = {
        "name": plan.name, "training": plan.training.model_dump(), "labels": plan.label_subset.model_dump(),
        "weights": plan.weights,
    }  # fmt: skip
    return hashlib.sha256(json.dumps(shared, sort_keys=True).encode()).hexdigest()[:12]


def _reconcile(plan: Plan, tracker: Tracker, died: dict[str, str]) -> None:
    """No run stays RUNNING once its worker is gone; one whose worker died of an error is failed, with the reason."""
    wanted = {run.id for run in plan.runs}
    for run in tracker.runs(plan.file.benchmark):
        if run.run_id in wanted and run.status == "RUNNING":
            tracker.end_run(run.mlflow_run_id, "FAILED" if run.run_id in died else "KILLED", died.get(run.run_id))


def _outcome(plan: Plan, tracker: Tracker) -> Swept:
    known = {run.run_id: run for run in tracker.runs(plan.file.benchmark)}
    mine = [known[run.id] for run in plan.runs if run.id in known]
    failed = {run.name: run.tags.get("reason", run.status.lower()) for run in mine if run.status != "FINISHED"}
    return Swept(done=sum(run.status == "FINISHED" for run in mine), failed=failed)
