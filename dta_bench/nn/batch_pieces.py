"""A batch of both domains on its device, in the pieces that are computed at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from dta_bench.nn.network import Labelled, Unlabelled
from dta_bench.spec.training import Training


def split_batch(
    source: Labelled, target: Unlabelled, training: Training, device: torch.device
) -> Iterator[tuple[Labelled, Unlabelled]]:
    """A batch in ``accumulate`` equal pieces on the device, images in the memory format that the run asks for."""
    layout = torch.channels_last if training.channels_last else torch.contiguous_format

    def moved(images: Tensor | None, like: torch.memory_format = layout) -> Sequence[Any]:
        if images is None:
            return [None] * training.accumulate
        return images.to(device, non_blocking=True, memory_format=like).chunk(training.accumulate)

    plain = torch.preserve_format
    sources = zip(moved(source.images), moved(source.labels, plain), strict=True)
    targets = zip(moved(target.images), moved(target.again), moved(target.index, plain), strict=True)
    for source_piece, target_piece in zip(sources, targets, strict=True):
        yield Labelled(*source_piece), Unlabelled(*target_piece)
