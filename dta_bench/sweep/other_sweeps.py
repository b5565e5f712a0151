"""Sweeps and trainings in other folders, or on other machines, with the same store: two never train one run."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from dta_bench.errors import UserError
from dta_bench.run.workspace import Workspace
from dta_bench.spec.plan import Plan
from dta_bench.tracking import ActiveSweep, Tracker


def refuse_claimed_runs(
    benchmark: str, runs: set[str], workspace: Workspace, tracker: Tracker, console: Console
) -> None:
    """Check that no living sweep or training elsewhere works on one of ``runs``; half a minute where a dead one has.

    Args:
        benchmark: the name of the experiment.
        runs: identities.

    Raises:
        UserError: one does.
    """
    with console.status("checking whether another command works on these runs"):
        other = tracker.living_sweep_elsewhere(benchmark, location_of(workspace), runs)
    if other is not None:
        raise _refusal(runs, other)


@contextmanager
def claim_runs(benchmark: str, runs: set[str], workspace: Workspace, tracker: Tracker, parent: str) -> Iterator[None]:
    """Announce, within the block, that this command works on ``runs``.

    Of two commands that start at the same time, at most one goes on.

    Args:
        benchmark: the name of the experiment.
        runs: identities.
        parent: the id in MLflow of the run under which this is announced.

    Raises:
        UserError: another sweep or training has announced itself in the meantime.
    """
    with tracker.announce_sweep(parent, location_of(workspace), runs):
        if others := tracker.sweeps_elsewhere(benchmark, location_of(workspace), runs):
            raise _refusal(runs, others[0])
        yield


def location_of(workspace: Workspace) -> str:
    """Machine and folder of this command. An announcement from the same location is of a dead one."""
    return f"{platform.node()}:{Path(workspace.out).resolve()}"


def run_ids(plan: Plan) -> set[str]:
    """The identities of all runs of a plan."""
    return {run.id for run in plan.runs}


def _refusal(runs: set[str], other: ActiveSweep) -> UserError:
    what = "this run" if len(runs) == 1 else f"{len(other.runs & runs)} of these runs"
    return UserError(
        f"another sweep or training is at work on {what} in the same store, at {other.location}; wait for it, or give"
        " the same command there once it has ended"
    )
