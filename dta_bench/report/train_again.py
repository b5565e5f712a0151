"""The command that trains a stored run again, to the same numbers and into the same store."""

from __future__ import annotations

import itertools
import shlex

from dta_bench.errors.credentials import mask
from dta_bench.spec.run_spec import Task
from dta_bench.spec.train_command import train_command
from dta_bench.tracking import TrackedRun

DEFAULT_ROOT = "data"


def train_again(
    run: TrackedRun, task: Task, *options: str, out: str, tracking_uri: str | None, root: str | None = None
) -> str:
    """The command that trains this very run again.

    Args:
        task: of its benchmark.
        options: further arguments, such as ``--keep-network``.
        out: the folder of runs and reports.
        tracking_uri: None for the store in ``out``.
        root: where data lie; None: where they lay when the run was trained.
    """
    store = ["--tracking-uri", mask(tracking_uri)] if tracking_uri else []
    places = ["--root", _root_of(run) if root is None else root, "--out", out, *store]
    return _in_as_many_threads(run) + train_command(run.spec, task, *options, *places)


def _in_as_many_threads(run: TrackedRun) -> str:
    """What stands before the command, so that its numbers are the run's to the last digit; a sweep takes one thread."""
    threads = run.tags.get("threads", "")
    return f"OMP_NUM_THREADS={threads} " if threads else ""


def _root_of(run: TrackedRun) -> str:
    """Where the run's data lay: what its command said, else the default."""
    words = shlex.split(run.tags.get("command", ""))
    stated = [after for word, after in itertools.pairwise(words) if word == "--root"]
    stated += [word.removeprefix("--root=") for word in words if word.startswith("--root=")]
    return stated[-1] if stated else DEFAULT_ROOT
