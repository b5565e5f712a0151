"""The network that a run kept in the store, and the command that makes it where the run kept none."""

from __future__ import annotations

from pathlib import Path

from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.errors import UserError
from dta_bench.report.train_again import DEFAULT_ROOT, train_again
from dta_bench.run import network_file
from dta_bench.run.network_file import LoadedNetwork
from dta_bench.run.workspace import Workspace
from dta_bench.tracking import TrackedRun, Tracker
from dta_bench.tracking.store_file import sqlite_uri

NAMES = (network_file.NAME, network_file.NAME_BEFORE)


def load_stored(workspace: Workspace, run: TrackedRun) -> LoadedNetwork:
    """Load the final network of a run.

    Raises:
        UserError: the run is not finished, or kept no network; names the command that makes it.
    """
    if run.status != "FINISHED":
        raise UserError(f"{run.run_id} is {run.state}, and only a finished run has a final network")
    tracker = workspace.tracker()
    for name in NAMES:
        if tracker.has_file(run, name):
            with tracker.artifact(run, name) as path:
                return network_file.load(path, run.spec)
    raise UserError(f"{run.run_id} kept no network; train it again with {command_that_makes(workspace, run)}")


def keeps_network(tracker: Tracker, run: TrackedRun) -> bool:
    """Whether a run kept its final network."""
    return any(tracker.has_file(run, name) for name in NAMES)


def load_whole(workspace: Workspace, run: TrackedRun) -> LoadedNetwork:
    """The same, and what was loaded gives the very logits that the run was measured by.

    Raises:
        UserError: as :func:`load_stored`, or an earlier version kept only a part of what predicts.
    """
    loaded = load_stored(workspace, run)
    if not network_file.is_whole(loaded):
        raise UserError(
            f"{run.run_id} kept its network by an earlier version, without the classifier that {run.spec.method} "
            f"predicts by; train it again with {command_that_makes(workspace, run)}"
        )
    return loaded


def command_that_makes(workspace: Workspace, run: TrackedRun) -> str:
    """The one command that trains a run again and keeps its network."""
    is_default = Path(workspace.root) == Path.cwd() / DEFAULT_ROOT
    is_in_out = workspace.tracking_uri == sqlite_uri(Path(workspace.out) / "mlflow.db")
    return train_again(
        run, benchmark_of(run.spec.benchmark).task, "--keep-network",
        out="." if Path(workspace.out) == Path.cwd() else workspace.out,
        tracking_uri=None if is_in_out else workspace.tracking_uri, root=None if is_default else workspace.root,
    )  # fmt: skip
