"""A sweep's runs of small heads on kept features, trained in stacks in a process for each core instead of on Ray."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import queue
from collections.abc import Mapping, Sequence
from typing import Any

from dta_bench.errors import Interrupted, UserError
from dta_bench.run.execute import RunLabel
from dta_bench.run.placement import StopRequest
from dta_bench.run.workspace import Workspace
from dta_bench.spec.run_spec import RunSpec
from dta_bench.sweep.on_ray.launch import Share, shown_names
from dta_bench.sweep.on_ray.worker_deaths import RETRIES
from dta_bench.sweep.progress_view import ProgressView
from dta_bench.sweep.stacked import process
from dta_bench.sweep.stacked.choose import share_out, stacks_of
from dta_bench.sweep.stacked.process import Task

WAIT = 0.5
"""Seconds between two looks at the processes, where they tell nothing."""


def train_stacks(
    shares: Sequence[Share], workspace: Workspace, view: ProgressView, processes: int | None = None
) -> list[Share]:
    """Train the runs that can be stacked.

    Args:
        shares: what is to be trained; one with a queue or stop rules is left as it is, since its order matters.
        processes: the most that train at once; None: one for each core of this machine.

    Returns:
        What is left to train.

    Raises:
        Interrupted: Ctrl-C or SIGTERM; every run has saved its position.
        UserError: a process met something that the user has to mend, or was lost too often.
    """
    left, names = [], shown_names(shares)
    for share in shares:
        is_free = share.work.queue is None and not share.work.early_stopping.rules
        stacks = stacks_of(share.work.runs) if is_free else []
        if stacks:
            training = _Training(share, names, workspace, view)
            training.train(share_out(stacks, processes or len(os.sched_getaffinity(0))))
        trained = {run.id for stack in stacks for run in stack}
        rest = tuple(run for run in share.work.runs if run.id not in trained)
        left.append(dataclasses.replace(share, work=dataclasses.replace(share.work, runs=rest)))
    return left


class _Training:
    """The stacks of one plan in training, and what is known of their runs."""

    def __init__(self, share: Share, names: Mapping[str, str], workspace: Workspace, view: ProgressView) -> None:
        self._share, self._names, self._workspace, self._view = share, names, workspace, view
        self._runs = {run.id: run for run in share.work.runs}
        self._ended: set[str] = set()
        self._error = ""

    def train(self, stacks: Sequence[list[list[RunSpec]]]) -> None:
        """Train each process's stacks: in this process if there is one share, else each in one of its own."""
        stop = StopRequest()
        self._view.runs_begin(dict, lambda: stop.requested)
        with process.stopped_by_signals(stop):
            if len(stacks) == 1:
                process.train(self._task(stacks[0]), stop, self._take)
            else:
                self._in_processes([self._task(own) for own in stacks], stop)
        if stop.requested:
            raise Interrupted
        if self._error:
            raise UserError(self._error)

    def _task(self, stacks: list[list[RunSpec]]) -> Task:
        plan = self._share.plan
        labels = {
            run.id: RunLabel(
                self._share.parent, plan.run_name(run), frozenset(plan.space(run.method).inert(run.params))
            )
            for stack in stacks for run in stack
        }  # fmt: skip
        return Task(stacks, labels, self._workspace)

    def _in_processes(self, tasks: Sequence[Task], stop: StopRequest) -> None:
        messages = multiprocessing.get_context("spawn").Queue()
        running = {process.start(task, messages): (task, 0) for task in tasks}
        was_asked = False
        while running:
            if (stop.requested or self._error) and not was_asked:
                process.ask_to_stop(list(running))
                was_asked = True
            self._listen(messages)
            for one in [each for each in running if not each.is_alive()]:
                self._listen(messages)
                task, lost = running.pop(one)
                if one.exitcode and not was_asked and (rest := self._rest(task)).stacks:
                    if lost == RETRIES:
                        self._error = f"a process that trained a stack was lost {lost + 1} times (exit {one.exitcode})"
                    else:
                        running[process.start(rest, messages)] = (rest, lost + 1)
        self._listen(messages)

    def _listen(self, messages: Any) -> None:
        """Take what processes have told."""
        try:
            self._take(messages.get(timeout=WAIT))
            while True:
                self._take(messages.get_nowait())
        except queue.Empty:
            return

    def _rest(self, task: Task) -> Task:
        """What a lost process has not ended; its runs go on from their checkpoints."""
        stacks = [[run for run in stack if run.id not in self._ended] for stack in task.stacks]
        return dataclasses.replace(task, stacks=[stack for stack in stacks if stack])

    def _take(self, message: tuple[Any, ...]) -> None:
        kind, *told = message
        if kind == "error":
            self._error = told[0]
            return
        run = self._runs[told[0]]
        name = self._names[run.id]
        if kind == "epoch":
            self._view.epoch_done(name, told[1])
            return
        self._ended.add(run.id)
        status, score, reason = told[1:]
        self._view.run_ended(name, status, score, reason, run.method not in self._share.plan.methods[1:])
