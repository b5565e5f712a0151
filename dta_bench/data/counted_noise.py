"""Gaussian noise from counters, computed where it is added, of a few numbers that name a view; here on the host.

Philox4x32-10 (Salmon et al., *Parallel random numbers: as easy as 1, 2, 3*, 2011) gives four 32-bit words of a counter
and a key, and Box-Muller makes normal numbers of them. Words are integers and so the same on every device; normal
numbers are the same but for the last digits. :mod:`dta_bench.data.device_path.counted_there` does it on a device.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from dta_bench.errors import UserError

ROUNDS, WORDS = 10, 4
MULTIPLIERS = 0xCD9E8D57, 0xD2511F53
"""Of the third and of the first word of a counter."""
KEY_STEPS = 0x9E3779B9, 0xBB67AE85
"""What the two words of a key grow by from round to round."""
LARGEST = 2**32 - 1
RADIUS_UNIT, ANGLE_UNIT, ANGLE_ZERO = 2**-32, math.pi * 2**-31, 2**31
"""A word + 1 is from 0 to 1 in the first unit; a word less the third is from -pi to pi in the second."""
NUMBERS = 5
"""So many integers name the noise of a view."""
MOST_SEEDS = 2**62

Pixels = NDArray[np.uint8] | NDArray[np.float32]
Words = NDArray[np.uint64]


def stream_of(key: tuple[int, ...]) -> NDArray[np.int64]:
    """The integers, each below 2**32, that name the noise of a view: no other view has the same.

    Args:
        key: (seed, epoch, domain, cycle, index).

    Returns:
        (5,): the two words of a key of Philox, and the last three of its counter, whose first counts along the image.

    Raises:
        UserError: the seed has more bits than there is room for.
    """
    seed, epoch, domain, cycle, index = key
    if not 0 <= seed < MOST_SEEDS:
        raise UserError(f"noise counted takes seeds from 0 to 2**62 - 1, but the seed is {seed}")
    return np.array([seed & LARGEST, (seed >> 32) << 2 | domain, index, cycle, epoch], dtype=np.int64)


def with_noise(pixels: Pixels, key: tuple[int, ...], deviation: float) -> Pixels:
    """Add the noise of the view that ``key`` names to its pixels (H, W, C)."""
    return pixels + np.float32(deviation) * normals(stream_of(key), pixels.shape)


def normals(stream: NDArray[np.int64], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Standard normal numbers of a stream; see :func:`stream_of`."""
    count = math.prod(shape)
    counters = np.empty((WORDS, -(-count // WORDS)), dtype=np.uint64)
    counters[0], counters[1:] = np.arange(counters.shape[1]), stream[2:, None]
    words = philox(counters, stream[:2].astype(np.uint64))
    radius = np.sqrt(-2 * np.log((words[0::2] + 1).astype(np.float32) * np.float32(RADIUS_UNIT)))
    angle = (words[1::2].astype(np.int64) - ANGLE_ZERO).astype(np.float32) * np.float32(ANGLE_UNIT)
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)]).ravel()[:count].reshape(shape)


def philox(counters: Words, key: Words) -> Words:
    """The words that Philox4x32-10 gives.

    Args:
        counters: (4, N), each below 2**32.
        key: (2,), each below 2**32.

    Returns:
        (4, N), each below 2**32.
    """
    multipliers, steps = (np.array(pair, dtype=np.uint64)[:, None] for pair in (MULTIPLIERS, KEY_STEPS))
    mask, width = np.uint64(LARGEST), np.uint64(32)
    even, odd = counters[0::2], counters[1::2]
    for turn in np.arange(ROUNDS, dtype=np.uint64):
        product = even[::-1] * multipliers
        even, odd = (product >> width) ^ odd ^ ((key[:, None] + turn * steps) & mask), product & mask
    return np.stack([even, odd], 1).reshape(WORDS, -1)
