"""Where a command's data, runs and store are."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dta_bench.errors import UserError
from dta_bench.tracking import Tracker

Keep = Literal["small", "chosen", "all", "none"]
"""Which final networks are kept: up to 4 MiB, those that a sweep may choose, all, none."""
KEEP_TAG = "keep_networks"
"""The tag of a run with what was kept when it was trained; only networks of ``chosen`` are removed again."""


@dataclass(frozen=True)
class Workspace:
    """Where data lie, where runs and reports go, and where runs are tracked: plain values that can cross processes.

    Attributes:
        root: the folder of the data.
        out: the folder of runs and reports.
        tracking_uri: MLflow's store or server.
        skip_unreadable: leave out images that cannot be read, instead of stopping at the first.
        keep_networks: which runs' final networks are kept.
        command: what the user typed; kept with each run.
        readers: processes that read images ahead for a run on a GPU; None: the CPUs of this process for each GPU.
        recipe: the name of the recipe that the command follows, named changed if it is; kept with each run.
        to: the folder for a page and its files; empty for one in ``out``.
        local: a folder on each machine's own disk, to which checkpoints go first; empty for none.
    """

    root: str
    out: str
    tracking_uri: str
    skip_unreadable: bool = False
    keep_networks: Keep = "small"
    command: str = ""
    to: str = ""
    recipe: str = ""
    readers: int | None = None
    local: str = ""

    def checkpoint(self, run_id: str) -> Path:
        """Path of the checkpoint of a run that is not finished."""
        return Path(self.out) / "runs" / f"{run_id}.pt"

    def make_page_folder(self, name: str) -> Path:
        """Make the folder for a page and its files: what ``--to`` says, else ``reports/<name>`` in ``out``.

        Raises:
            UserError: it cannot be made, or not be written to.
        """
        folder = Path(self.to) if self.to else Path(self.out) / "reports" / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
        except OSError as error:
            raise UserError(
                f"{folder} cannot be written to ({error.strerror}); name another folder with --to"
            ) from error
        return folder

    def tracker(self) -> Tracker:
        """A connection to the tracking store."""
        return Tracker(self.tracking_uri, Path(self.out))
