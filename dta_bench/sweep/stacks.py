"""A sweep's runs of small heads on kept features, trained in stacks in this process instead of on Ray."""

from __future__ import annotations

import dataclasses
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from dta_bench.data.suite_plugin import shared_training
from dta_bench.errors import Interrupted
from dta_bench.run import fingerprint
from dta_bench.run.execute import RunLabel, RunOutcome
from dta_bench.run.execute_stack import execute_stack
from dta_bench.run.placement import StopRequest
from dta_bench.run.resolve import Resolved, resolve, resolve_on
from dta_bench.run.stacked import can_stack, stack_key
from dta_bench.run.workspace import Workspace
from dta_bench.spec.plan import Plan
from dta_bench.spec.run_spec import RunSpec
from dta_bench.sweep.on_ray.launch import Share
from dta_bench.sweep.progress_view import ProgressView

MOST = 128
"""Runs in one stack; more weights at a time gain nothing, and take memory."""


def train_stacks(shares: Sequence[Share], workspace: Workspace, view: ProgressView) -> list[Share]:
    """Train the runs that can be stacked.

    Args:
        shares: what is to be trained; one with a queue or stop rules is left as it is, since its order matters.

    Returns:
        What is left to train.

    Raises:
        Interrupted: Ctrl-C or SIGTERM; every run has saved its position.
    """
    left = []
    for share in shares:
        is_free = share.work.queue is None and not share.work.early_stopping.rules
        stacks = stacks_of(share.work.runs) if is_free else []
        for stack in stacks:
            _train(share, stack, workspace, view)
        trained = {run.id for stack in stacks for run in stack}
        rest = tuple(run for run in share.work.runs if run.id not in trained)
        left.append(dataclasses.replace(share, work=dataclasses.replace(share.work, runs=rest)))
    return left


def stacks_of(runs: Sequence[RunSpec]) -> list[list[RunSpec]]:
    """The runs that can be stacked, as stacks of two or more.

    A training on a source alone that a suite's targets share is none of them: it is trained once for all.
    """
    groups: list[tuple[object, list[RunSpec]]] = []
    for run in runs:
        if can_stack(run) and shared_training(run) is None:
            key = stack_key(run)
            group = next((members for known, members in groups if known == key and len(members) < MOST), None)
            if group is None:
                groups.append((key, [run]))
            else:
                group.append(run)
    return [members for _, members in groups if len(members) > 1]


def _train(share: Share, runs: Sequence[RunSpec], workspace: Workspace, view: ProgressView) -> None:
    plan, stop, names = share.plan, StopRequest(), {run.id: share.plan.run_name(run) for run in runs}

    def on_epoch(run_id: str, epoch: int, _: dict[str, float]) -> None:
        view.epoch_done(names[run_id], epoch)

    def on_end(run_id: str, outcome: RunOutcome) -> None:
        is_baseline = next(run.method for run in runs if run.id == run_id) in plan.methods[1:]
        view.run_ended(names[run_id], outcome.status, outcome.score, outcome.reason, not is_baseline)

    with _stopped_by_signals(stop):
        execute_stack(list(_jobs(plan, runs, share.parent, workspace)), workspace, stop, on_epoch, on_end)
    if stop.requested:
        raise Interrupted


def _jobs(
    plan: Plan, runs: Sequence[RunSpec], parent: str, workspace: Workspace
) -> Iterator[tuple[Resolved, RunLabel]]:
    """The runs of a stack on the same sets in memory, with what MLflow shows of them."""
    first = resolve(runs[0], workspace.root, workspace.skip_unreadable)
    for run in runs:
        marks = fingerprint.fingerprints(run, workspace.root, workspace.skip_unreadable)
        label = RunLabel(parent, plan.run_name(run), frozenset(plan.space(run.method).inert(run.params)))
        yield resolve_on(run, first.benchmark, first.splits, marks), label


@contextmanager
def _stopped_by_signals(stop: StopRequest) -> Iterator[None]:
    """Within the block Ctrl-C and SIGTERM ask for a stop after the step."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: setattr(stop, "requested", True)) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
