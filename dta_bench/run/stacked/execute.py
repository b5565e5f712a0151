"""Train runs in a stack and store each one's results in MLflow, as :mod:`dta_bench.run.execute` does for one."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dta_bench.errors import Diverged, UserError
from dta_bench.nn.network import Network
from dta_bench.nn.pretrained import BackbonePlugin
from dta_bench.run import execute, position
from dta_bench.run.class_scores import log_classes
from dta_bench.run.execute import RunLabel, RunOutcome
from dta_bench.run.finish import finish
from dta_bench.run.placement import Placement, Stopped, StopRequest
from dta_bench.run.resolve import Resolved
from dta_bench.run.stacked.stack import Stack
from dta_bench.run.train import Run
from dta_bench.run.workspace import Workspace
from dta_bench.tracking import RunLog

OnEpoch = Callable[[str, int, dict[str, float]], None]
"""Called after each epoch of a run with its identity, the epoch's number, from 1, and its metrics by name."""


@dataclass
class _Member:
    """A run of the stack, and where it is logged."""

    run: Run
    log: RunLog
    tags: dict[str, str]
    placement: Placement


def execute_stack(
    jobs: Sequence[tuple[Resolved, RunLabel]], workspace: Workspace, stop: StopRequest, on_epoch: OnEpoch,
    on_end: Callable[[str, RunOutcome], None],
) -> None:  # fmt: skip
    """Train runs of one :func:`~dta_bench.run.stacked.stackable.stack_key` together, from their checkpoints if any.

    Args:
        jobs: the runs, with what MLflow shows of them.
        stop: looked at after every step; each run then keeps its checkpoint.
        on_end: called with a run's identity when it has ended.
    """
    members = dict[int, _Member]()
    states, built = [], _BuiltOnce()
    for resolved, label in jobs:
        resolved = dataclasses.replace(resolved, backbone=built.once(resolved.backbone))
        placement = execute.placement_of(resolved, workspace, stop)
        tags = execute.tags_of(resolved, workspace, placement)
        log = workspace.tracker().open_run(resolved.spec, label.parent, label.name, set(label.inert), tags)
        try:
            run = Run(resolved, placement)
            position.resume_run(run)
        except UserError as error:
            log.fail(str(error))
            on_end(resolved.spec.id, RunOutcome("failed", reason=str(error)))
            continue
        states.append(torch.get_rng_state())
        members[id(run)] = _Member(run, log, tags, placement)
        log.note("stacked", f"each step was taken together with up to {len(jobs) - 1} other runs, in one process")
    stack = Stack([member.run for member in members.values()], states)
    try:
        while runs := stack.next_runs():
            stack.train_epoch(runs)
            for run in runs:
                _end_epoch(stack, members[id(run)], workspace, on_epoch, on_end)
            stack.save_if_due()
    except Stopped as error:
        for run in stack.runs:
            if run.epoch <= run.spec.training.epochs:
                members[id(run)].log.interrupt()
                on_end(run.spec.id, RunOutcome("stopped", reason=str(error)))


class _BuiltOnce:
    """Builds the network of runs of one seed once: what is frozen in it is shared, what trains is copied."""

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], tuple[Network, Tensor]] = {}

    def once(self, backbone: BackbonePlugin) -> BackbonePlugin:
        """The backbone, which builds from the same random state only once."""

        def make(classes: int, weights: str) -> Network:
            key = backbone.name, classes, weights, torch.get_rng_state().numpy().tobytes()
            if key not in self._known:
                built = backbone.make(classes, weights)
                self._known[key] = built, torch.get_rng_state()
            built, after = self._known[key]
            torch.set_rng_state(after)  # as if it had been built now
            return copy.deepcopy(built, {id(built.body): built.body})

        return dataclasses.replace(backbone, make=make)


def _end_epoch(
    stack: Stack, member: _Member, workspace: Workspace, on_epoch: OnEpoch, on_end: Callable[[str, RunOutcome], None]
) -> None:
    run, epoch = member.run, member.run.epoch
    try:
        metrics = stack.end_epoch(run)
        member.log.log_epoch(epoch, metrics)
        log_classes(member.log, run, epoch)
        on_epoch(run.spec.id, epoch, metrics)
        if run.epoch <= run.spec.training.epochs:
            return
        finished = finish(run)
    except Diverged as error:
        member.log.fail_diverged(str(error))
        on_end(run.spec.id, RunOutcome("failed", reason=str(error), diverged=True))
        return
    on_end(run.spec.id, execute.store_finished(run, finished, member.tags, member.log, workspace))
