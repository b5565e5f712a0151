"""Sweeps in other folders, or on other machines, that share this one's store: never two at the same runs."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from dta_bench.errors import UserError
from dta_bench.run.home import Home
from dta_bench.spec.plan import Plan
from dta_bench.tracking import AtWork, Tracker


def refuse_taken(plan: Plan, home: Home, tracker: Tracker, console: Console) -> None:
    """Go on only if no living sweep elsewhere is at work on any of these runs.

    Raises:
        UserError: one is.
    """
    with console.status("seeing whether another sweep is at work on these runs"):
        other = tracker.alive_elsewhere(plan.file.benchmark, place(home), identities(plan))
    if other is not None:
        raise _taken(plan, other)


@contextmanager
def told(plan: Plan, home: Home, tracker: Tracker, parent: str) -> Iterator[None]:
    """Within the block others see that these runs are taken; of two that start at once, at most one goes on.

    Raises:
        UserError: another has started in the meantime.
    """
    with tracker.saying(parent, place(home), identities(plan)):
        if others := tracker.at_work_elsewhere(plan.file.benchmark, place(home), identities(plan)):
            raise _taken(plan, others[0])
        yield


def place(home: Home) -> str:
    """Where this sweep is, unlike any other: one that was here before is dead, or it would hold the folder's lock."""
    return f"{platform.node()}:{Path(home.out).resolve()}"


def identities(plan: Plan) -> set[str]:
    """Of all runs of a plan."""
    return {run.id for run in plan.runs}


def _taken(plan: Plan, other: AtWork) -> UserError:
    count = len(other.runs & identities(plan))
    return UserError(
        f"another sweep is at work on {count} of these runs in the same store, at {other.place}; wait for it, or give"
        " the same command there once it has ended"
    )
