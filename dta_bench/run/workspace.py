"""Where a command's data, runs and store are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dta_bench.tracking import Tracker


@dataclass(frozen=True)
class Workspace:
    """Where data lie, where runs and reports go, and where runs are tracked: plain values that can cross processes.

    Attributes:
        root: the folder of the data.
        out: the folder of runs and reports.
        tracking_uri: MLflow's store or server.
        skip_unreadable: leave out images that cannot be read, instead of stopping at the first.
        keep_network: keep a run's final network even if it is large.
        command: what the user typed; kept with each run.
    """

    root: str
    out: str
    tracking_uri: str
    skip_unreadable: bool = False
    keep_network: bool = False
    command: str = ""

    def checkpoint(self, run_id: str) -> Path:
        """Path of the checkpoint of a run that is not finished."""
        return Path(self.out) / "runs" / f"{run_id}.pt"

    def tracker(self) -> Tracker:
        """A connection to the tracking store."""
        return Tracker(self.tracking_uri, Path(self.out))
