"""Which runs of a plan are done: decided by the identities and fingerprints in the tracking store alone.

A finished run counts while data, code and weights are those of today.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from dta_bench.domains import data_fingerprint
from dta_bench.run import code_fingerprint, fingerprint
from dta_bench.run.workspace import Workspace
from dta_bench.spec.plan import Plan
from dta_bench.spec.run_spec import RunSpec
from dta_bench.tracking import STOPPED, TrackedRun, Tracker, standing_runs

Marks = Mapping[str, str]
CODE, DATA = "code_fingerprint", "data_fingerprint"


@dataclass(frozen=True)
class State:
    """The plan's runs by their state.

    Attributes:
        diverged: would diverge again, and are not tried again.
        stopped: were stopped early, and stay so where the sweep stops runs.
        stale: were made by other data, code or weights than today's; each with what differs, in words.
        old_scheme: done, diverged or stopped runs whose code fingerprint is of the old scheme and still counts.
        unverified: done, diverged or stopped runs whose data agree with today's in paths, sizes and labels, all that
            their fingerprint covers.
        old_checkpoints: runs to do whose last start wrote its checkpoint under the old scheme; they start anew.
    """

    done: tuple[RunSpec, ...]
    diverged: tuple[RunSpec, ...]
    running: tuple[RunSpec, ...]
    to_do: tuple[RunSpec, ...]
    stale: tuple[tuple[TrackedRun, str], ...] = ()
    stopped: tuple[RunSpec, ...] = ()
    old_scheme: tuple[RunSpec, ...] = ()
    old_checkpoints: tuple[RunSpec, ...] = ()
    unverified: tuple[RunSpec, ...] = ()


def state_of(
    runs: Iterable[RunSpec], tracked: Iterable[TrackedRun], marks: Callable[[RunSpec], Marks],
    stops: bool = False,
) -> State:  # fmt: skip
    """Compare a plan with the store.

    Args:
        marks: today's fingerprints of a run; only those are compared (a dry run has no data to compare).
        stops: whether this sweep stops runs early; one that does not takes up what another has stopped.
    """
    known = {run.run_id: run for run in standing_runs(tracked)[0]}
    by_id = {run.id: run for run in runs}  # an identity is a hash, and there may be thousands
    today = {run_id: marks(run) for run_id, run in by_id.items() if run_id in known}
    done, diverged, running, to_do, stale, stopped = [], [], [], [], [], []
    for run_id in by_id:
        found = known.get(run_id)
        changes = _changes(found, today[run_id]) if found is not None else ""
        if found is not None and found.status == "FINISHED" and not changes:
            done.append(run_id)
            continue
        if found is not None and found.tags.get("diverged") and not changes:
            diverged.append(run_id)
            continue
        if found is not None and stops and STOPPED in found.tags and not changes:
            stopped.append(run_id)
            continue
        if found is not None and found.status == "RUNNING":
            running.append(run_id)
        to_do.append(run_id)
        if found is not None and changes:
            stale.append((found, changes))
    old = {run_id for run_id, run in known.items() if code_fingerprint.is_old_scheme(run.tags)}
    other, ended = {run.run_id for run, _ in stale}, (*done, *diverged, *stopped)

    def specs(identities: Iterable[str]) -> tuple[RunSpec, ...]:
        return tuple(by_id[run_id] for run_id in identities)

    return State(
        specs(done), specs(diverged), specs(running), specs(to_do), tuple(stale), specs(stopped),
        old_scheme=specs(run_id for run_id in ended if run_id in old),
        old_checkpoints=specs(run_id for run_id in to_do if run_id in old - other),
        unverified=specs(run_id for run_id in ended if _is_unverified(known[run_id], today[run_id])),
    )  # fmt: skip


def describe_runs(state: State, tracked: Iterable[TrackedRun], has_checkpoint: Callable[[str], bool]) -> dict[str, str]:
    """Identity → how each run of a plan stands, in a few words; empty for one that was never started.

    Args:
        has_checkpoint: whether the run of an identity can go on in the middle.
    """
    known = {run.run_id: run.state for run in standing_runs(tracked)[0]}
    later = {"interrupted": "interrupted, starts again", "failed": "failed, is tried again", "stopped": "stopped early"}
    told = {run.id: later.get(known.get(run.id, ""), "") for run in state.to_do}
    told |= {i: "interrupted, goes on" for i, said in told.items() if said.startswith("inter") and has_checkpoint(i)}
    told |= {run.run_id: "made by other code or data, runs again" for run, _ in state.stale}
    told |= {run.id: "running" for run in state.running}
    told |= {run.id: "diverged, is not tried again" for run in state.diverged}
    told |= {run.id: "stopped early" for run in state.stopped}
    return told | {run.id: "done" for run in state.done}


def state_today(plan: Plan, runs: Iterable[RunSpec], workspace: Workspace, tracker: Tracker) -> State:
    """The state of some runs of a plan, judged by today's data, code and weights."""

    def marks(run: RunSpec) -> Marks:
        return fingerprint.fingerprints(run, workspace.root, workspace.skip_unreadable)

    return state_of(runs, tracker.runs(plan.file.benchmark), marks, plan.stop != ("none",))


def _changes(found: TrackedRun, marks: Marks) -> str:
    """Which fingerprints differ, in words; empty if none."""
    return ", ".join(
        f"{name.removesuffix('_fingerprint')} was {_shown(found.tags.get(name, 'not recorded'))}"
        f"{_by_whom(found) if name == CODE else ''}, is {_shown(value)}"
        for name, value in marks.items()
        if not _is_same(name, found.tags.get(name), value)
        and not (name == CODE and code_fingerprint.is_of_the_move(found.tags, found.spec))
    )


def _is_unverified(found: TrackedRun, marks: Marks) -> bool:
    verdict = data_fingerprint.compare(found.tags.get(DATA, ""), marks.get(DATA, ""))
    return verdict == "not verified"


def _shown(mark: str) -> str:
    """The first 12 characters of a fingerprint, behind the name of its scheme if it has one."""
    scheme, colon, digits = mark.partition(":")
    return f"{scheme}{colon}{digits[:12]}" if colon else mark[:12]


def _is_same(name: str, stored: str | None, today: str) -> bool:
    """Whether a stored fingerprint is today's; of data, under the scheme that it was taken by."""
    if name == DATA and stored is not None:
        return data_fingerprint.compare(stored, today) != "other"
    return stored == today


def _by_whom(found: TrackedRun) -> str:
    """The commit that made a fingerprint of the old scheme: why it no longer counts."""
    if not code_fingerprint.is_old_scheme(found.tags):
        return ""
    return f" (old scheme, commit {found.tags.get('commit', 'unknown')})"
