"""Make parts of work ahead in other processes, which write them into shared memory.

torch's own loader makes new shared memory for every batch and copies each image on its way. Here a few slots of shared
memory are used in turn: each image is written once, where it stays, and a part costs two short messages.
"""

from __future__ import annotations

import math
import mmap
import multiprocessing
import os
import signal
import traceback
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray

from dta_bench.errors import UserError

Parts = Mapping[str, NDArray[Any]]
"""The arrays of one part by name."""
Position = tuple[int, tuple[int, ...], str]
"""Where an array lies in a slot: its first byte, its shape, and its dtype as text."""
Layout = dict[str, Position]
PREFETCHED = 2  # parts that each worker makes ahead
ALIGNED = 64  # bytes; every array begins at a multiple of it
PATIENCE = 5.0  # seconds after which an idle worker checks whether its parent still lives


class PartBuffer:
    """The arrays of one part while they are written.

    They lie in the memory that is given as far as it reaches. When it is too small, the rest gets memory of its own,
    and ``layout`` is None.

    Args:
        memory: (bytes,) a slot of shared memory; None for none.
    """

    def __init__(self, memory: NDArray[np.uint8] | None = None) -> None:
        self.arrays: dict[str, NDArray[Any]] = {}
        self.layout: Layout | None = {}
        self._memory, self._used = np.empty(0, dtype=np.uint8) if memory is None else memory, 0

    def array(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """The array of this name; it is made, without contents, when it is first asked for.

        Raises:
            ValueError: it was asked for in another shape before.
        """
        if name not in self.arrays:
            self.arrays[name] = self._new(name, shape, np.dtype(dtype))
        array = self.arrays[name]
        if array.shape != shape:
            raise ValueError(f"{name} has the shape {array.shape}, not {shape}")
        return array

    def _new(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        start, size = self._used, math.prod(shape) * dtype.itemsize
        self._used += -(-size // ALIGNED) * ALIGNED
        if self._used > len(self._memory) or self.layout is None:
            self.layout = None
            own_memory = torch.empty(size, dtype=torch.uint8).numpy()  # aligned as tensors are
            return own_memory.view(dtype).reshape(shape)
        self.layout[name] = (start, shape, dtype.str)
        return _array_at(self._memory, self.layout[name])

    @property
    def size(self) -> int:
        """Bytes of memory that hold all arrays."""
        return self._used


def _array_at(memory: NDArray[np.uint8], position: Position) -> NDArray[Any]:
    start, shape, dtype = position[0], position[1], np.dtype(position[2])
    return memory[start : start + math.prod(shape) * dtype.itemsize].view(dtype).reshape(shape)


MakePart = Callable[[int, PartBuffer], None]
"""Writes the part of this number."""


def make_ahead(make: MakePart, order: Sequence[int], workers: int) -> Iterator[tuple[int, Parts]]:
    """Yield ``(i, arrays of part i)`` for each number in ``order``.

    The arrays of a part stay as they are for as long as anything refers to one of them, including a tensor that shares
    its memory.

    Args:
        make: writes one part.
        order: numbers of the parts.
        workers: processes that make parts ahead; 0, or a machine that cannot fork, makes them in this process.

    Raises:
        UserError: ``make`` raised it.
    """
    if not workers or len(order) < 2 or "fork" not in multiprocessing.get_all_start_methods():
        yield from ((i, _make_here(make, i).arrays) for i in order)
        return
    first = _make_here(make, order[0])  # tells how large a slot has to be
    pool = _Workers(make, order[1:], min(workers, len(order) - 1), first.size)
    try:
        arrays, first = first.arrays, PartBuffer()
        yield order[0], arrays
        del arrays
        for turn, i in enumerate(order[1:]):
            yield i, pool.part(turn)
    finally:
        pool.stop()


def slot_count(workers: int) -> int:
    """How many slots of shared memory so many workers use: one for each part made ahead, and one for that in use."""
    return PREFETCHED * workers + 1


def _make_here(make: MakePart, i: int) -> PartBuffer:
    buffer = PartBuffer()
    make(i, buffer)
    return buffer


class _Workers:
    """Processes that make the parts of ``order`` in turn, and the slots of shared memory that they write into.

    When a process is killed, its parts are made in this process: that costs time and no part.
    """

    def __init__(self, make: MakePart, order: Sequence[int], workers: int, slot_size: int) -> None:
        self._make, self._order = make, order
        self._slots = [mmap.mmap(-1, max(1, slot_size)) for _ in range(slot_count(workers))]
        self._free_slots = list(range(len(self._slots)))
        self._max_ahead = PREFETCHED * workers
        self._next_turn = 0  # the first turn that no worker was asked for yet
        self._slot_of_turn: dict[int, int] = {}  # of the turns that were asked for and not yet handed out
        self._pipes, self._processes = [], []
        context = multiprocessing.get_context("fork")
        for _ in range(workers):
            parent_end, worker_end = context.Pipe()
            process = context.Process(
                target=_work, args=(make, self._slots, parent_end, worker_end, os.getpid()), daemon=True
            )
            process.start()
            worker_end.close()  # else this process would not see that the worker ended
            self._pipes.append(parent_end)
            self._processes.append(process)
        self._ask_ahead()

    def part(self, turn: int) -> Parts:
        """The part of this turn; turns are asked for in order."""
        self._ask_ahead()
        slot = self._slot_of_turn.pop(turn, None)
        if slot is None:  # no worker was asked: every slot is still in use, or the worker was killed
            self._next_turn = max(self._next_turn, turn + 1)
            return _make_here(self._make, self._order[turn]).arrays
        try:
            answer = self._pipe(turn).recv()
        except (EOFError, OSError):
            self._handle_killed(slot)
            return _make_here(self._make, self._order[turn]).arrays
        if isinstance(answer, Exception):
            raise answer
        layout, arrays = answer
        if isinstance(layout, dict):
            return self._read(slot, layout)
        self._free_slots.append(slot)
        return arrays  # type: ignore[no-any-return]

    def _ask_ahead(self) -> None:
        """Ask the workers for parts until as many are under way as may be, or no slot is free."""
        while self._free_slots and self._next_turn < len(self._order) and len(self._slot_of_turn) < self._max_ahead:
            turn, slot = self._next_turn, self._free_slots.pop()
            self._next_turn += 1
            try:
                self._pipe(turn).send((self._order[turn], slot))
                self._slot_of_turn[turn] = slot
            except OSError:
                self._handle_killed(slot)

    def _handle_killed(self, slot: int) -> None:
        self._free_slots.append(slot)
        warnings.warn("a process that reads images ahead was killed; its share is read here", stacklevel=4)

    def _pipe(self, turn: int) -> Connection[Any, Any]:
        return self._pipes[turn % len(self._pipes)]

    def _read(self, slot: int, layout: Layout) -> Parts:
        """The arrays in a slot, without a copy; the slot is free again once nothing refers to any of them."""
        memory = np.frombuffer(self._slots[slot], dtype=np.uint8)
        weakref.finalize(memory, self._free_slots.append, slot).atexit = False
        return {name: _array_at(memory, position) for name, position in layout.items()}

    def stop(self) -> None:
        """End the processes, in the middle of a part if need be."""
        for pipe, process in zip(self._pipes, self._processes, strict=True):
            if self._slot_of_turn:
                process.terminate()
            try:
                pipe.send(None)
            except OSError:  # the process ended already
                continue
        for pipe, process in zip(self._pipes, self._processes, strict=True):
            process.join()
            pipe.close()


def _work(
    make: MakePart,
    slots: Sequence[mmap.mmap],
    parent_end: Connection[Any, Any],
    pipe: Connection[Any, Any],
    parent: int,
) -> None:
    """Make parts on request until the parent says stop, or is gone: what a worker process runs."""
    parent_end.close()  # else this process would not see that the parent ended
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent answers Ctrl-C
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    while (request := _next_request(pipe, parent)) is not None:
        i, slot = request
        buffer = PartBuffer(np.frombuffer(slots[slot], dtype=np.uint8))
        try:
            make(i, buffer)
            pipe.send((buffer.layout, None if buffer.layout is not None else buffer.arrays))
        except UserError as error:
            pipe.send(error)
        except BrokenPipeError:
            return
        except Exception:
            pipe.send(RuntimeError(f"a process that reads ahead failed:\n{traceback.format_exc()}"))


def _next_request(pipe: Connection[Any, Any], parent: int) -> tuple[int, int] | None:
    """The number of the next part and its slot; None when this process is to end."""
    try:
        while not pipe.poll(PATIENCE):
            if os.getppid() != parent:
                return None
        request: tuple[int, int] | None = pipe.recv()
        return request
    except (EOFError, OSError):
        return None
