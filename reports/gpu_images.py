"""Images that go to the device as bytes: pinned, copied ahead, standardised and flipped there, equal to the CPU's way.

Float images are four times as large as their bytes, and copying them from pageable memory waits for the device.
Training does not go this way yet: ``reports/gpu.py`` measures what it would bring, and a test holds it to the CPU's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from dta_bench.nn.network import Normalisation


def standardise(images: Tensor, normalisation: Normalisation | None, flipped: Tensor | None = None) -> Tensor:
    """Make network input of bytes.

    Args:
        images: (B, H, W, C) uint8, on any device.
        normalisation: channel moments of values from 0 to 1; None: each image by its own mean and deviation.
        flipped: (B,) bool: which images are mirrored left to right, drawn by the host; None: no image.

    Returns:
        (B, C, H, W) float32, in memory with the channels last.
    """
    pixels = images.permute(0, 3, 1, 2)
    if flipped is not None:
        pixels = torch.where(flipped[:, None, None, None], pixels.flip(3), pixels)
    values = pixels.float()
    if normalisation is None:
        centred = values - values.mean(dim=(1, 2, 3), keepdim=True)
        deviation = centred.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
        return centred / deviation.clamp(min=1e-3)
    moments = torch.tensor([normalisation.mean, normalisation.std], device=images.device) * 255
    return (values - moments[0].view(1, -1, 1, 1)) / moments[1].view(1, -1, 1, 1)


def copied_ahead(batches: Iterable[tuple[Tensor, ...]], device: torch.device) -> Iterator[tuple[Tensor, ...]]:
    """Give batches on the device; the next one is copied while the one before is computed with.

    Args:
        batches: on the CPU. For a GPU they are pinned here, and copied on a stream of their own.
    """
    if device.type != "cuda":
        for batch in batches:
            yield tuple(part.to(device) for part in batch)
        return
    stream = torch.cuda.Stream(device)

    def copy(batch: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        pinned = tuple(part if part.is_pinned() else part.pin_memory() for part in batch)
        with torch.cuda.stream(stream):
            return tuple(part.to(device, non_blocking=True) for part in pinned)

    waiting: tuple[Tensor, ...] | None = None
    for batch in batches:
        copied = copy(batch)
        if waiting is not None:
            yield _received(waiting, stream, device)
        waiting = copied
    if waiting is not None:
        yield _received(waiting, stream, device)


def _received(batch: tuple[Tensor, ...], stream: torch.cuda.Stream, device: torch.device) -> tuple[Tensor, ...]:
    """A batch whose copy has ended before anything that is computed from now on."""
    now = torch.cuda.current_stream(device)
    now.wait_stream(stream)
    for part in batch:
        part.record_stream(now)  # its memory is not used again while this stream still reads it
    return batch
