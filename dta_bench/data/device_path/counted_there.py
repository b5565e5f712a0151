"""Counted noise on a device: as on the host, for a batch of views at once.

Nothing here waits for the device or copies to it: what is needed of numbers is computed there.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dta_bench.data.counted_noise import (
    ANGLE_UNIT,
    ANGLE_ZERO,
    KEY_STEPS,
    LARGEST,
    MULTIPLIERS,
    RADIUS_UNIT,
    ROUNDS,
    WORDS,
)

HALF = 2**16 - 1
"""The largest integer of 16 bits."""


def normals(streams: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Standard normal numbers for a batch of views.

    Args:
        streams: (B, 5) int64, see :func:`dta_bench.data.counted_noise.stream_of`.
        shape: of the numbers of one view.

    Returns:
        (B, *shape) float32, where the streams lie.
    """
    count = math.prod(shape)
    blocks = torch.arange(-(-count // WORDS), device=streams.device).expand(len(streams), 1, -1)
    of_view = streams[:, 2:, None].expand(-1, -1, blocks.shape[2])
    words = philox(torch.cat([blocks, of_view], 1), streams[:, :2])
    radius = (words[:, 0::2] + 1).float().mul_(RADIUS_UNIT).log_().mul_(-2).sqrt_()
    angle = (words[:, 1::2] - ANGLE_ZERO).float().mul_(ANGLE_UNIT)
    pairs = torch.cat([radius * angle.cos(), radius * angle.sin()], 1)
    return pairs.flatten(1)[:, :count].reshape(len(streams), *shape)


def philox(counters: Tensor, keys: Tensor) -> Tensor:
    """The words that Philox4x32-10 gives.

    Args:
        counters: (B, 4, N) int64, each below 2**32.
        keys: (B, 2) int64, each below 2**32.

    Returns:
        (B, 4, N) int64, each below 2**32.
    """
    multipliers, steps = (_pair(*values, counters.device) for values in (MULTIPLIERS, KEY_STEPS))
    lower, upper = multipliers & HALF, multipliers >> 16
    turns = torch.arange(ROUNDS, device=counters.device)[:, None, None, None]
    even, odd = counters[:, 0::2], counters[:, 1::2]
    for key in (keys[..., None] + turns * steps) & LARGEST:
        swapped = even.flip(1)
        below = swapped * lower  # 32 times 16 bits: a product of 32 times 32 does not go into a signed int64
        above = swapped.mul_(upper).add_(below >> 16)
        even = (above >> 16).bitwise_xor_(odd).bitwise_xor_(key)
        odd = below.bitwise_and_(HALF).add_(above.bitwise_and_(HALF), alpha=HALF + 1)
    return torch.stack([even, odd], 2).flatten(1, 2)


def _pair(first: int, second: int, device: torch.device) -> Tensor:
    """Two integers, (2, 1), without a copy from the host."""
    return first + torch.arange(2, device=device)[:, None] * (second - first)
