"""A sweep from its plan to its last run; the same call starts it, resumes it, and finds it finished."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from rich.console import Console

from dta_bench.data import load
from dta_bench.errors import UserError
from dta_bench.run import code_fingerprint, fingerprint, preflight
from dta_bench.run.home import Home
from dta_bench.run.resolve import resolve
from dta_bench.spec.plan import Plan
from dta_bench.spec.run_spec import RunSpec
from dta_bench.spec.spelling import spell_metric, spell_value
from dta_bench.sweep import other_sweeps
from dta_bench.sweep.early_stopping import Stops
from dta_bench.sweep.on_ray.cluster import Resources
from dta_bench.sweep.on_ray.launch import Work, launch
from dta_bench.sweep.progress import Progress
from dta_bench.sweep.run_queue import Adaptive, End, Feed, Planned, point_key, points_left
from dta_bench.sweep.state import State, state_of
from dta_bench.sweep.stop_rules import stop_rules
from dta_bench.tracking import STOPPED, Tracker


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
    resolve(plan.runs[0], home.root, home.skip_unreadable)
    load.check_labels(plan.benchmark, home.root, home.skip_unreadable)
    _make_folder(Path(home.out, "runs"))
    with _alone(home):
        tracker = home.tracker()
        tracker.check()
        other_sweeps.refuse_claimed_runs(plan, home, tracker, console)
        state = standing(plan, home, tracker)
        _say(plan, state, _count(plan, state, tracker), console)
        _say_old_scheme(state, home, console)
        for stale, changes in state.stale:
            run_again(console, stale.name, changes)
            tracker.supersede(stale.mlflow_run_id)
        if _count(plan, state, tracker):
            _work(plan, state, home, tracker, resources, console)
    return _outcome(plan, tracker)


def run_again(console: Console, name: str, changes: str) -> None:
    """Say which run is superseded, and why; the name comes from the store, and is printed as the text that it is."""
    printable = "".join(letter for letter in name if letter.isprintable())
    console.print(f"will run again: {printable} ({changes})", highlight=False, soft_wrap=True, markup=False)


def standing(plan: Plan, home: Home, tracker: Tracker) -> State:
    """Where each run of the plan stands, judged by today's data and code."""

    def marks(run: RunSpec) -> dict[str, str]:
        return fingerprint.fingerprints(run, home.root, home.skip_unreadable)

    return state_of(plan.runs, tracker.runs(plan.file.benchmark), marks, plan.stop != ("none",))


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


def _say(plan: Plan, state: State, count: int, console: Console) -> None:
    console.print(
        f"[bold]{plan.name}[/bold]: {plan.points} points of {plan.methods[0]}, {len(plan.seeds)} seeds, "
        f"{len(plan.runs)} runs with the baselines; {len(state.done)} done, {count} to do"
        + (f", {len(state.stopped)} stopped early" if state.stopped else ""),
        highlight=False,
        soft_wrap=True,
    )
    if state.diverged:
        names = ", ".join(plan.run_name(run) for run in state.diverged)
        console.print(f"not tried again, they diverged on this data and code: {names}", highlight=False, soft_wrap=True)
    for note in [*plan.notes(), *_empty_budgets(plan)]:
        console.print(f"note: {note}", highlight=False, soft_wrap=True)


def _say_old_scheme(state: State, home: Home, console: Console) -> None:
    """Say which runs count though their code fingerprint is of the old scheme, and which start anew because of it."""
    anew = [run for run in state.old_checkpoints if home.checkpoint(run.id).exists()]
    if state.old_scheme:
        console.print(f"note: {code_fingerprint.they_count(len(state.old_scheme))}", highlight=False, soft_wrap=True)
    if anew:
        console.print(f"note: {code_fingerprint.they_start_anew(len(anew))}", highlight=False, soft_wrap=True)


def _empty_budgets(plan: Plan) -> list[str]:
    """Perturbations that are too small to flip a single unit of a backbone, so that their point equals delta = 0."""
    found, benchmark = [], plan.benchmark.for_training(plan.training)
    for backbone in plan.backbones:
        units = preflight.dropout_units(benchmark, backbone)
        for name, count in units.items():
            values = {float(run.params.get(name, 0)) for run in plan.runs if run.backbone == backbone}
            found += [
                f"{backbone}: {name}={spell_value(value)} of {count} units flips none, the same as {name}=0"
                for value in sorted(values)
                if value > 0 and int(value * count + 1e-9) == 0
            ]
    return found


def _work(plan: Plan, state: State, home: Home, tracker: Tracker, resources: Resources, console: Console) -> None:
    tracker.experiment(plan.benchmark)
    parent = tracker.start_sweep(plan.file.benchmark, plan.name, sweep_id(plan), {"search_space": plan.name})
    with other_sweeps.claim_runs(plan, home, tracker, parent):
        _train(plan, state, home, tracker, resources, console, parent)


def _train(
    plan: Plan, state: State, home: Home, tracker: Tracker, resources: Resources, console: Console, parent: str
) -> None:
    benchmark = plan.benchmark
    work = _what(plan, state, tracker, len(benchmark.classes))
    progress = Progress(
        console, _count(plan, state, tracker), plan.training.epochs, len(state.done), spell_metric(benchmark.headline)
    )
    ended, died = "KILLED", dict[str, str]()
    try:
        with progress:
            died = launch(plan, work, home, parent, resources, progress)
        ended = "FINISHED"
    finally:
        _reconcile(plan, tracker, died, work.stops)
        tracker.end_sweep(parent, ended)


def _what(plan: Plan, state: State, tracker: Tracker, classes: int) -> Work:
    """The missing runs, the rules that may stop them, and, where what comes next depends on these, a feed."""
    exempt = {run.id for run in plan.runs if run.method in plan.methods[1:]}
    stops = Stops(stop_rules(plan.stop, plan.training.epochs, classes), plan.training.epochs, exempt)
    if plan.search != "tpe" and not stops.rules:
        return Work(state.to_do, stops)
    ends = _ends(plan, state, tracker)
    headline = plan.benchmark.headline
    curves = {"score": f"validation/{headline}"}
    curves |= {name: f"target_train/{name}" for name in ("classes_in_use", "entropy")}
    known = {run.run_id: run for run in tracker.runs(plan.file.benchmark)}
    for run in (*state.done, *state.stopped):
        if stops.rules and run.id not in exempt:
            told = tracker.history(known[run.id], list(curves.values()))
            stops.recall(run.id, {name: told[key][1] for name, key in curves.items()})
    feed: Feed = Adaptive(plan, state.to_do, ends) if plan.search == "tpe" else Planned(_untouched(state))
    return Work(state.to_do, stops, feed)


def _untouched(state: State) -> list[RunSpec]:
    """What is to do, without the other seeds of points that were stopped."""
    given_up = {point_key(run) for run in state.stopped}
    return [run for run in state.to_do if point_key(run) not in given_up]


def _ends(plan: Plan, state: State, tracker: Tracker) -> dict[str, End]:
    """How the runs ended that an earlier start has done, or another sweep or user of this store."""
    headline = f"validation/{plan.benchmark.headline}"
    known = {run.run_id: run for run in tracker.runs(plan.file.benchmark)}
    ends = {run.id: End("done", known[run.id].metrics[headline], plan.training.epochs) for run in state.done}
    ends |= {run.id: End("failed") for run in state.diverged}
    return ends | {
        run.id: End("stopped", known[run.id].metrics.get(headline, 0.0), int(known[run.id].tags[STOPPED]))
        for run in state.stopped
    }


def _count(plan: Plan, state: State, tracker: Tracker) -> int:
    """How many runs are to come, at most."""
    if plan.search != "tpe":
        return len(_untouched(state))
    baselines = sum(run.method in plan.methods[1:] for run in state.to_do)
    return baselines + points_left(plan, _ends(plan, state, tracker)) * len(plan.seeds)


def sweep_id(plan: Plan) -> str:
    """Identity of the parent run: the search space's name and what all its runs share."""
    shared = {
        "name": plan.name, "training": plan.training.model_dump(), "labels": plan.label_subset.model_dump(),
        "weights": plan.weights,
    }  # fmt: skip
    return hashlib.sha256(json.dumps(shared, sort_keys=True).encode()).hexdigest()[:12]


def _reconcile(plan: Plan, tracker: Tracker, died: dict[str, str], stops: Stops) -> None:
    """No run stays RUNNING once its worker is gone; one whose worker died of an error is failed, with the reason.

    One that a rule stopped has its reason and its epoch: Tune ends it by leaving its process, so it cannot say so.
    """
    wanted = {run.id for run in plan.runs}
    for run in tracker.runs(plan.file.benchmark):
        if run.run_id in wanted and run.status == "RUNNING":
            if (stopped := stops.stopped.get(run.run_id)) is not None:
                tracker.end_run(run.mlflow_run_id, "KILLED", stopped.reason, stopped.epoch)
                continue
            tracker.end_run(run.mlflow_run_id, "FAILED" if run.run_id in died else "KILLED", died.get(run.run_id))


def _outcome(plan: Plan, tracker: Tracker) -> Swept:
    known = {run.run_id: run for run in tracker.runs(plan.file.benchmark)}
    mine = [known[run.id] for run in plan.runs if run.id in known]
    ended = [run for run in mine if run.status != "FINISHED" and STOPPED not in run.tags]
    failed = {run.name: run.tags.get("reason", run.status.lower()) for run in ended}
    return Swept(done=sum(run.status == "FINISHED" for run in mine), failed=failed)
