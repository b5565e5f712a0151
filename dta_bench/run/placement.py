"""Where a run computes and keeps its checkpoint, and how it is asked to stop."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


class Stopped(Exception):
    """The run was asked to stop; its checkpoint holds everything to go on exactly."""


@dataclass
class StopRequest:
    """A request from outside to stop (a signal, a pre-emption notice); training looks at it after every step."""

    requested: bool = False


def _device() -> torch.device:
    """The process's GPU if it has one, else the CPU."""
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@dataclass(frozen=True)
class Placement:
    """Where a run computes and keeps its checkpoint.

    Attributes:
        checkpoint: the file; None keeps none.
        every_seconds: how old a checkpoint may grow inside an epoch, which is what a kill can lose.
        workers: how many processes read ahead what lies in files; batches are the same for any number of them.
    """

    device: torch.device = field(default_factory=_device)
    checkpoint: Path | None = None
    every_seconds: float = 600.0
    workers: int = 0
    stop: StopRequest = field(default_factory=StopRequest)
