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
class Stop:
    """Asked for from outside (a signal, a pre-emption notice); training looks at it after every step."""

    requested: bool = False


def _device() -> torch.device:
    """The process's GPU, if it has one."""
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@dataclass(frozen=True)
class Place:
    """Where a run computes and keeps its checkpoint. ``every_seconds`` bounds what a kill can lose inside an epoch.

    ``workers`` processes read lazy sets ahead; batches are the same for any number of them.
    """

    device: torch.device = field(default_factory=_device)
    checkpoint: Path | None = None
    fingerprints: dict[str, str] = field(default_factory=dict)
    every_seconds: float = 600.0
    workers: int = 0
    stop: Stop = field(default_factory=Stop)
