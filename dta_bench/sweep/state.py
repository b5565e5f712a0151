"""What of a plan is done: decided by the runs' identities and fingerprints in the tracking store alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from dta_bench.spec.run_spec import RunSpec
from dta_bench.tracking import STOPPED, TrackedRun

Marks = dict[str, str]


@dataclass(frozen=True)
class State:
    """The plan's runs by where they stand.

    ``diverged`` would diverge again and are not tried again; ``stopped`` were stopped early, and stay so where the
    sweep stops runs; ``stale`` were made by other data or code than today's.
    """

    done: tuple[RunSpec, ...]
    diverged: tuple[RunSpec, ...]
    running: tuple[RunSpec, ...]
    to_do: tuple[RunSpec, ...]
    stale: tuple[tuple[TrackedRun, str], ...] = ()
    stopped: tuple[RunSpec, ...] = ()


def state_of(
    runs: Iterable[RunSpec], tracked: Iterable[TrackedRun], marks: Callable[[RunSpec], Marks] | None,
    stops: bool = False,
) -> State:  # fmt: skip
    """Compare a plan with the store.

    Args:
        marks: today's fingerprints of a run; None where there is no data to compare with (a dry run), then
            identity alone decides.
        stops: whether this sweep stops runs early; one that does not takes up what another has stopped.
    """
    known = {run.run_id: run for run in tracked}
    done, diverged, running, to_do, stale, stopped = [], [], [], [], [], []
    for run in runs:
        found = known.get(run.id)
        changes = _changes(found, marks(run)) if found is not None and marks is not None else ""
        if found is not None and found.status == "FINISHED" and not changes:
            done.append(run)
            continue
        if found is not None and found.tags.get("diverged") and not changes:
            diverged.append(run)
            continue
        if found is not None and stops and STOPPED in found.tags and not changes:
            stopped.append(run)
            continue
        if found is not None and found.status == "RUNNING":
            running.append(run)
        to_do.append(run)
        if found is not None and changes:
            stale.append((found, changes))
    return State(tuple(done), tuple(diverged), tuple(running), tuple(to_do), tuple(stale), tuple(stopped))


def _changes(found: TrackedRun, marks: Marks) -> str:
    """Which fingerprints differ, in words; empty if none."""
    return ", ".join(
        f"{name.removesuffix('_fingerprint')} was {found.tags.get(name, 'not recorded')[:12]}, is {value[:12]}"
        for name, value in marks.items()
        if found.tags.get(name) != value
    )
