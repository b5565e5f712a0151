"""Where a run is trained: its device, its checkpoint, and how it is asked to stop."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


class Stopped(Exception):
    """The run was asked to stop; from its checkpoint it goes on exactly."""


@dataclass
class StopRequest:
    """A request from outside to stop (a signal, a pre-emption notice)."""

    requested: bool = False

    @property
    def is_asked(self) -> bool:
        """The same, for those who look without having taken a step."""
        return self.requested


def _device() -> torch.device:
    """The process's GPU if it has one, else the CPU."""
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@dataclass(frozen=True)
class Placement:
    """Where a run is trained.

    Attributes:
        device: the process's GPU if it has one, else the CPU.
        checkpoint: the file; None writes no checkpoint.
        own_disk: a folder on this machine's own disk, to which the checkpoint goes first; it is then copied now and
            then, and at a stop; None: it goes to ``checkpoint`` at once.
        checkpoint_seconds: how old a checkpoint may become inside an epoch; a killed run loses at most that much.
        workers: how many processes read image files ahead; batches are the same for any number of them.
        stop: looked at after every step.
    """

    device: torch.device = field(default_factory=_device)
    checkpoint: Path | None = None
    own_disk: Path | None = None
    checkpoint_seconds: float = 600.0
    workers: int = 0
    stop: StopRequest = field(default_factory=StopRequest)


def readers(wanted: int | None = None) -> int:
    """How many processes read images ahead.

    Args:
        wanted: for a run on a GPU; None: the CPUs that this process may use for each of the GPUs that it sees.

    Returns:
        Without a GPU one, or none on a single core.
    """
    import torch

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not gpus:
        return min(1, torch.get_num_threads() - 1)
    if wanted is None:
        import joblib  # knows also what a container may use

        wanted = joblib.cpu_count() // gpus
    return max(1, wanted)
