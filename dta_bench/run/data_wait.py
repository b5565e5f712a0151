"""How long a run waits for its batches."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

import torch

Batch = TypeVar("Batch")
MOST_WAITING = 0.05
"""The share of training time from which a run on a GPU says that it waits for data."""


class DataWait:
    """Measures the time in which this process waits for batches, and the whole time of its epochs' steps.

    Attributes:
        waited: seconds.
        seconds: of all steps with the waiting.
    """

    def __init__(self) -> None:
        self.waited = self.seconds = 0.0

    def watch(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """The same batches."""
        ended = object()
        iterator = iter(batches)
        began = time.monotonic()
        try:
            while True:
                asked = time.monotonic()
                batch = next(iterator, ended)
                self.waited += time.monotonic() - asked
                if batch is ended:
                    return
                yield batch  # type: ignore[misc]  # it is no object of ours
        finally:
            self.seconds += time.monotonic() - began

    def note(self, device: torch.device, readers: int) -> str:
        """One sentence where a GPU has waited for too long; else empty.

        Args:
            readers: processes that read ahead.
        """
        share = self.waited / self.seconds if self.seconds else 0.0
        if device.type == "cpu" or share <= MOST_WAITING:  # on a CPU readers would take the cores that train
            return ""
        return (
            f"{share:.0%} of training time the GPU waited for images, with {readers} processes that read ahead; more "
            "CPU cores for each GPU would help"
        )
