"""Copy batches to a GPU on a stream of their own, from pinned memory, while it computes with the batch before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor

Batch = Mapping[str, Tensor]


def copied_ahead(batches: Iterable[Batch], device: torch.device) -> Iterator[Batch]:
    """Give batches on the device; for a GPU each is under way before the one before it is handed out.

    Args:
        batches: on the host, in any memory.
        device: where they are given.
    """
    if device.type != "cuda":
        yield from ({name: part.to(device) for name, part in batch.items()} for batch in batches)
        return
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    waiting: _Copy | None = None
    for batch in batches:
        copy = _Copy(batch, stream, device)
        if waiting is not None:
            yield waiting.received()
        waiting = copy
    if waiting is not None:
        yield waiting.received()


class _Copy:
    """A batch on its way to a GPU. torch keeps the pinned memory until the copy has ended."""

    def __init__(self, batch: Batch, stream: torch.cuda.Stream, device: torch.device) -> None:
        pinned = {name: part.pin_memory() for name, part in batch.items()}
        with torch.cuda.stream(stream):
            self._parts = {name: part.to(device, non_blocking=True) for name, part in pinned.items()}
        self._device, self._end = device, stream.record_event()

    def received(self) -> Batch:
        """The batch on the GPU; what is computed from now on begins when it is there."""
        now = torch.cuda.current_stream(self._device)
        now.wait_event(self._end)  # not for the stream, which has copies after this one
        for part in self._parts.values():
            part.record_stream(now)  # its memory is not used again while this stream still reads it
        return self._parts
