"""One command at a time trains in a folder: the lock that ``sweep`` and ``train`` share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from dta_bench.errors import UserError
from dta_bench.run.workspace import Workspace


def lock_folder(workspace: Workspace) -> Any:
    """Make the folder of runs, and hold its lock within a ``with`` block.

    Raises:
        UserError: the folder cannot be made, or another command trains there.
    """
    folder = Path(workspace.out, "runs")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder} cannot be made ({error.strerror}); name another folder with --out") from error
    try:
        return FileLock(folder / "sweep.lock").acquire(timeout=0)
    except Timeout as error:
        raise UserError(
            f"another sweep is running in {workspace.out}, or another train; wait for it, or give this one another "
            "folder with --out"
        ) from error
