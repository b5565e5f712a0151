"""Parts of work made ahead by other processes, and handed over in memory that all of them share.

A loader of torch's own makes new shared memory for every batch, whose first touch costs more than a view of an image;
here a few places are used in turn, so that handing over costs one copy.
"""

from __future__ import annotations

import math
import mmap
import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from dta_bench.errors import UserError

Parts = Mapping[str, Sequence[NDArray[Any]] | NDArray[Any]]
"""Lists of arrays by name; those of one list have one shape and type."""
Layout = list[tuple[str, tuple[int, ...], str]]
PREFETCHED = 2
ALIGNED = 64


def made(make: Callable[[int], Parts], order: Sequence[int], workers: int) -> Iterator[tuple[int, Parts]]:
    """``(i, make(i))`` for each of ``order``, made by so many processes ahead; here, if by none or where none can fork.

    What is given is only there until the next is asked for.

    Raises:
        UserError: ``make`` did.
    """
    if not workers or len(order) < 2 or "fork" not in multiprocessing.get_all_start_methods():
        yield from ((i, make(i)) for i in order)
        return
    first = make(order[0])  # says how large a place has to be
    places = _Places(PREFETCHED * workers + 2, _size(first))
    turns = [(turn % places.count, i) for turn, i in enumerate(order[1:])]
    # A generator of its own: without one the loader draws from torch's, and a resumed run would differ.
    loader: DataLoader[Any] = DataLoader(
        _Work(make, places, turns), batch_size=None, collate_fn=_same, num_workers=workers, prefetch_factor=PREFETCHED,
        multiprocessing_context="fork", generator=torch.Generator(),
    )  # fmt: skip
    remaining = iter(loader)  # the workers start before the first part is used
    yield order[0], first
    for place, i in turns:
        found = next(remaining)
        if isinstance(found, UserError):  # as a value, for a loader raises it with its traceback as its text
            raise found
        yield i, places.read(place, found) if isinstance(found, list) else found


def _same(found: Any) -> Any:
    return found


class _Work(Dataset[Any]):
    """What a worker does at each turn."""

    def __init__(self, make: Callable[[int], Parts], places: _Places, turns: Sequence[tuple[int, int]]) -> None:
        self._make, self._places, self._turns = make, places, turns

    def __len__(self) -> int:
        return len(self._turns)

    def __getitem__(self, turn: int) -> Layout | Parts | UserError:
        place, i = self._turns[turn]
        try:
            parts = self._make(i)
        except UserError as error:
            return error
        return self._places.write(place, parts) if _size(parts) <= self._places.size else parts


class _Places:
    """Pieces of memory that forked processes share with the one that made them."""

    def __init__(self, count: int, size: int) -> None:
        self.count, self.size = count, size
        self._memory = np.frombuffer(mmap.mmap(-1, max(1, count * size)), dtype=np.uint8)

    def write(self, place: int, parts: Parts) -> Layout:
        """Copy ``parts`` there; says how they lie."""
        start, layout = place * self.size, []
        for name, arrays in parts.items():
            shape, dtype = (len(arrays), *arrays[0].shape), arrays[0].dtype
            into = self._at(start, shape, dtype)
            for row, array in enumerate(arrays):
                into[row] = array
            layout.append((name, shape, dtype.str))
            start += _aligned(into.nbytes)
        return layout

    def read(self, place: int, layout: Layout) -> Parts:
        """What was written there, without a copy."""
        start, parts = place * self.size, {}
        for name, shape, dtype in layout:
            parts[name] = self._at(start, shape, np.dtype(dtype))
            start += _aligned(parts[name].nbytes)
        return parts

    def _at(self, start: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        stop = start + math.prod(shape) * dtype.itemsize
        return self._memory[start:stop].view(dtype).reshape(shape)


def _size(parts: Parts) -> int:
    return sum(_aligned(len(arrays) * arrays[0].nbytes) for arrays in parts.values())


def _aligned(size: int) -> int:
    return -(-size // ALIGNED) * ALIGNED
