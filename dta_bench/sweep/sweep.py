"""A sweep from its plan to its last run; one call starts it, resumes it, and finds it finished."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from rich.console import Console

from dta_bench.cost.sweep_estimate import note_on_few_steps
from dta_bench.data import load
from dta_bench.run.resolve import resolve
from dta_bench.run.workspace import Workspace
from dta_bench.spec.method_plugin import method_plugin
from dta_bench.spec.plan import Plan
from dta_bench.spec.spelling import spell_metric
from dta_bench.sweep import other_sweeps
from dta_bench.sweep.apply_stop_rules import EarlyStopping
from dta_bench.sweep.confirmation import confirmation_plan
from dta_bench.sweep.done_runs import State, state_today
from dta_bench.sweep.folder_lock import lock_folder
from dta_bench.sweep.kept_networks import KeptNetworks
from dta_bench.sweep.on_ray.cluster import Resources
from dta_bench.sweep.on_ray.launch import Launch, Share, launch
from dta_bench.sweep.on_ray.ray_session import RaySession
from dta_bench.sweep.phases import Phases
from dta_bench.sweep.print_state import (
    notes_on,
    notes_on_old_scheme,
    print_confirmation,
    print_notes,
    print_notes_on_files,
    print_recipes,
    print_state,
    print_superseded,
)
from dta_bench.sweep.progress_view import ProgressView
from dta_bench.sweep.stacked.train import train_stacks
from dta_bench.sweep.work import choose_work, count_runs
from dta_bench.tracking import CONFIRM, STOPPED, Tracker, standing_runs

Announce = Callable[[Plan, State, int, Console], None]


@dataclass(frozen=True)
class SweepResult:
    """How many runs of a sweep are done, and the others that have ended: name → reason, without runs stopped early.

    Attributes:
        planned: runs of the search and of confirmation.
        missing: those of them that were still to do when the sweep began; 0: it trained nothing.
    """

    done: int
    failed: dict[str, str]
    planned: int = 0
    missing: int = 0

    def print_nothing_trained(self, console: Console) -> None:
        """Say that a sweep found its runs done; nothing where it trained."""
        if self.missing or not self.done:
            return
        runs = f"all {self.done} runs" if self.planned == self.done else f"{self.done} of {self.planned} runs"
        rest = "; the others are not tried again" if self.planned > self.done else ""
        console.print(f"nothing was trained: {runs} were done already{rest}", highlight=False, soft_wrap=True)


def sweep(
    plan: Plan, workspace: Workspace, resources: Resources, console: Console, phases: Phases | None = None
) -> SweepResult:
    """Train the missing runs of ``plan``; see :func:`sweep_plans`."""
    return sweep_plans([plan], workspace, resources, console, phases)


def sweep_plans(
    plans: Sequence[Plan], workspace: Workspace, resources: Resources, console: Console, phases: Phases | None = None
) -> SweepResult:
    """Train the missing runs of some plans as one set of runs, then those that confirm what was chosen in each.

    Args:
        plans: one, or one a benchmark, with the same search space and training.
        phases: says what is being done before the first result.

    Raises:
        UserError: data or store out of reach, or another sweep works in the same folder or on the same runs.
        Interrupted: Ctrl-C or SIGTERM; the same call goes on.
    """
    # Mistakes in the data are reported before anything is written.
    notes, phases = dict[str, None](), phases or Phases(console)
    phases.begin("checking the data")
    for plan in plans:
        for method in plan.methods:
            method_plugin(method)  # a plan has read only what the files declare
        resolve(plan.runs[0], workspace.root, workspace.skip_unreadable)
        notes |= dict.fromkeys(load.check_files(plan.benchmark, workspace.root, workspace.skip_unreadable))
        notes |= {few: None} if (few := note_on_few_steps(plan, workspace.root)) else {}
    print_notes_on_files(notes, console)
    with lock_folder(workspace), RaySession(resources, workspace, console, phases) as session:
        phases.begin("reading which runs are done")
        tracker = workspace.tracker()
        tracker.check()
        print_recipes(plans, console)
        missing = _complete(plans, print_state, tracker, session)
        confirming = [one for plan in plans if (one := confirmation_plan(plan, tracker)) is not None]
        if confirming:
            missing += _complete(confirming, print_confirmation, tracker, session)
        if workspace.keep_networks == "chosen":
            for plan in plans:
                kept = KeptNetworks(plan, tracker)
                kept.remove_others()
                kept.print_not_removed(console)
    return dataclasses.replace(_result([*plans, *confirming], tracker), missing=missing)


def _complete(plans: Sequence[Plan], announce: Announce, tracker: Tracker, session: RaySession) -> int:
    """Train the runs of some plans that are missing today, after ``announce`` has printed how many there are.

    Returns:
        How many there are.
    """
    workspace, console = session.workspace, session.console
    waiting, notes, done, to_come = list[tuple[Plan, State]](), list[str](), 0, 0
    for plan in plans:
        other_sweeps.refuse_claimed_runs(plan.file.benchmark, other_sweeps.run_ids(plan), workspace, tracker, console)
        state = state_today(plan, plan.runs, workspace, tracker)
        missing = count_runs(plan, state, tracker)
        announce(plan, state, missing, console)
        notes += notes_on(plan, state, workspace) if announce is print_state else notes_on_old_scheme(state, workspace)
        tracker.adopt(tracker.runs(plan.file.benchmark))
        for stale, changes in state.stale:
            print_superseded(console, stale.name, changes)
            tracker.supersede(stale.mlflow_run_id)
        waiting += [(plan, state)] if missing else []
        done, to_come = done + len(state.done), to_come + missing
    print_notes(notes, console)
    if waiting:
        first = waiting[0][0]
        view = ProgressView(
            console, to_come, first.training.epochs, done, spell_metric(first.benchmark.headline),
            has_subset=first.label_subset.is_there, phase="search" if announce is print_state else "confirmation",
        )  # fmt: skip
        _train_missing(waiting, tracker, session, view)
    return to_come


def _train_missing(
    waiting: Sequence[tuple[Plan, State]], tracker: Tracker, session: RaySession, view: ProgressView
) -> None:
    """Train under each sweep's parent run, announced to other sweeps, and leave no run and no parent RUNNING."""
    workspace, resources = session.workspace, session.resources
    shares, status, errors = list[Share](), "KILLED", dict[str, str]()
    with ExitStack() as claims:
        try:
            for plan, state in waiting:
                tracker.experiment(plan.benchmark)
                tags = {"search_space": plan.name, CONFIRM: str(plan.confirm)}
                parent = tracker.start_sweep(plan.file.benchmark, plan.name, sweep_id(plan), tags, _shared_params(plan))
                runs = other_sweeps.run_ids(plan)
                claims.enter_context(other_sweeps.claim_runs(plan.file.benchmark, runs, workspace, tracker, parent))
                shares.append(Share(plan, choose_work(plan, state, tracker), parent))
            with view:
                left: Sequence[Share] = shares
                if session.resources.stacked:
                    session.phases.close()
                    view.runs_begin(dict)
                    left = train_stacks(shares, workspace, view, session.resources.parallel)
                if to_launch := tuple(share for share in left if share.work.runs):
                    errors = launch(Launch(to_launch, workspace, resources, view), session)
            status = "FINISHED"
        finally:
            for share in shares:
                _close_runs(share.plan, tracker, errors, share.work.early_stopping)
                tracker.end_sweep(share.parent, status)


def sweep_id(plan: Plan) -> str:
    """The identity of a sweep's parent run, a hash of the search space's name and of what all its runs share."""
    fields = plan.runs[0].identifying_fields()
    shared = {
        "name": plan.name, "training": fields["training"], "labels": fields["label_subset"], "weights": plan.weights,
    }  # fmt: skip
    return hashlib.sha256(json.dumps(shared, sort_keys=True).encode()).hexdigest()[:12]


def _shared_params(plan: Plan) -> dict[str, object]:
    """What all runs of a sweep share, whichever methods, points and seeds it is started with."""
    training = {f"training.{key}": value for key, value in plan.training.model_dump().items() if value is not None}
    return {"search_space": plan.name, "weights": plan.weights, "labels.size": plan.label_subset.size, **training}


def _close_runs(plan: Plan, tracker: Tracker, errors: dict[str, str], early_stopping: EarlyStopping) -> None:
    """Close each run that is still RUNNING though its worker is gone: stopped early, failed by an error, or killed.

    Tune stops a run early by leaving its process, so the run itself cannot write its reason and its epoch.
    """
    planned = other_sweeps.run_ids(plan)
    for run in tracker.runs(plan.file.benchmark):
        if run.run_id in planned and run.status == "RUNNING":
            if (stopped := early_stopping.stopped.get(run.run_id)) is not None:
                tracker.end_run(run.mlflow_run_id, "KILLED", stopped.reason, stopped.epoch)
                continue
            status = "FAILED" if run.run_id in errors else "KILLED"
            tracker.end_run(run.mlflow_run_id, status, errors.get(run.run_id))


def _result(plans: Iterable[Plan], tracker: Tracker) -> SweepResult:
    done, planned, reasons = 0, 0, dict[str, str]()
    for plan in plans:
        planned += len(plan.runs)
        tracked = {run.run_id: run for run in standing_runs(tracker.runs(plan.file.benchmark))[0]}
        runs = [tracked[run.id] for run in plan.runs if run.id in tracked]
        others = [run for run in runs if run.status != "FINISHED" and STOPPED not in run.tags]
        reasons |= {run.name: run.tags.get("reason", run.state) for run in others}
        done += sum(run.status == "FINISHED" for run in runs)
    return SweepResult(done=done, failed=reasons, planned=planned)
