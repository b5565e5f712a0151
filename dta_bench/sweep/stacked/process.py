"""A process that trains stacks on one core, and what it tells the sweep that started it."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from dta_bench.errors import UserError
from dta_bench.run import fingerprint
from dta_bench.run.execute import RunLabel, RunOutcome
from dta_bench.run.placement import StopRequest
from dta_bench.run.resolve import Resolved, resolve, resolve_on
from dta_bench.run.stacked.execute import execute_stack
from dta_bench.run.workspace import Workspace
from dta_bench.spec.run_spec import RunSpec

Tell = Callable[[tuple[Any, ...]], None]
"""Takes ``("epoch", run, epoch)``, ``("end", run, status, score, reason)`` or ``("error", sentence)``."""
SIGNALS = (signal.SIGINT, signal.SIGTERM)
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Task:
    """Stacks of one plan that a process trains one after another.

    Attributes:
        labels: by a run's identity, what MLflow shows of it.
    """

    stacks: list[list[RunSpec]]
    labels: dict[str, RunLabel]
    workspace: Workspace


def train(task: Task, stop: StopRequest, tell: Tell) -> None:
    """Train the stacks of a task until they are done, or a stop is requested."""

    def on_end(run_id: str, outcome: RunOutcome) -> None:
        tell(("end", run_id, outcome.status, outcome.score, outcome.reason))

    for stack in task.stacks:
        if not stop.requested:
            jobs = list(_jobs(task, stack))
            execute_stack(jobs, task.workspace, stop, lambda run, epoch, _: tell(("epoch", run, epoch)), on_end)


def _jobs(task: Task, runs: Sequence[RunSpec]) -> Iterator[tuple[Resolved, RunLabel]]:
    """The runs of a stack on the same sets in memory, with what MLflow shows of them."""
    workspace = task.workspace
    first = resolve(runs[0], workspace.root, workspace.skip_unreadable)
    for run in runs:
        marks = fingerprint.fingerprints(run, workspace.root, workspace.skip_unreadable)
        yield resolve_on(run, first.benchmark, first.splits, marks), task.labels[run.id]


class _UntilOrphaned(StopRequest):
    """A request to stop by a signal, or by the end of the sweep's own process."""

    def __init__(self) -> None:
        self._asked, self._parent = False, os.getppid()

    @property
    def requested(self) -> bool:
        return self._asked or os.getppid() != self._parent

    @requested.setter
    def requested(self, value: bool) -> None:
        self._asked = value


def _main(task: Task, messages: Any) -> None:
    """What a process of its own does; its signals were blocked until here."""
    import torch

    torch.set_num_threads(1)
    stop = _UntilOrphaned()
    with stopped_by_signals(stop):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        try:
            train(task, stop, messages.put)
        except UserError as error:
            messages.put(("error", str(error)))


def start(task: Task, messages: Any) -> Any:
    """Start a process for a task, with one thread, that ends when this process does."""
    process = multiprocessing.get_context("spawn").Process(target=_main, args=(task, messages))
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # until it has handlers of its own
    before = {name: os.environ.get(name) for name in THREADS}
    try:
        os.environ.update(dict.fromkeys(THREADS, "1"))
        process.start()
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    return process


@contextmanager
def stopped_by_signals(stop: StopRequest) -> Iterator[None]:
    """Within the block Ctrl-C and SIGTERM ask for a stop after the step."""
    before = [signal.signal(number, lambda *_: setattr(stop, "requested", True)) for number in SIGNALS]
    try:
        yield
    finally:
        for number, handler in zip(SIGNALS, before, strict=True):
            signal.signal(number, handler)


def ask_to_stop(processes: Sequence[Any]) -> None:
    """Ask processes to save and end."""
    for process in processes:
        with contextlib.suppress(OSError):
            process.terminate()
