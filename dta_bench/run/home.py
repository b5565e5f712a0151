"""Where a command's data, runs and store are; without torch, for commands that only read the store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dta_bench.tracking import Tracker


@dataclass(frozen=True)
class Home:
    """Where data lies, where runs and reports go, and where runs are tracked; plain values, fit to cross processes.

    ``skip_unreadable`` leaves images out that cannot be read, instead of stopping at the first.
    """

    root: str
    out: str
    tracking_uri: str
    skip_unreadable: bool = False
    keep_network: bool = False
    """Whether a run keeps its final network also where it is large."""
    command: str = ""
    """What the user typed, kept with each run."""

    def checkpoint(self, run_id: str) -> Path:
        """The checkpoint of a run that is not finished."""
        return Path(self.out) / "runs" / f"{run_id}.pt"

    def tracker(self) -> Tracker:
        """A connection to the tracking store."""
        return Tracker(self.tracking_uri, Path(self.out))
