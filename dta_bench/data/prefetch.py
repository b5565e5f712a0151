"""Parts of work made ahead by other processes, straight into memory that all of them share.

A loader of torch's own makes new shared memory for every batch and copies each image on its way; here a few places are
used in turn, each image is written once, where it stays, and a part costs two short messages.
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
Layout = dict[str, tuple[int, tuple[int, ...], str]]
"""Where each array of a place begins, its shape and its type."""
PREFETCHED = 2
ALIGNED = 64
PATIENCE = 5.0
"""Seconds after which a process that nobody asks anything looks whether it has been left alone."""


class Room:
    """Where a part's arrays are written: in ``memory`` (bytes) as far as that goes, else in memory of their own."""

    def __init__(self, memory: NDArray[np.uint8] | None = None) -> None:
        self.parts: dict[str, NDArray[Any]] = {}
        self.layout: Layout | None = {}
        self._memory, self._used = np.empty(0, dtype=np.uint8) if memory is None else memory, 0

    def array(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """The array of that name, empty when first asked for.

        Raises:
            ValueError: it was asked for in another shape before.
        """
        if name not in self.parts:
            self.parts[name] = self._new(name, shape, np.dtype(dtype))
        found = self.parts[name]
        if found.shape != shape:
            raise ValueError(f"{name} has the shape {found.shape}, not {shape}")
        return found

    def _new(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        start, size = self._used, math.prod(shape) * dtype.itemsize
        self._used += -(-size // ALIGNED) * ALIGNED
        if self._used > len(self._memory) or self.layout is None:
            self.layout = None
            bytes_ = torch.empty(size, dtype=torch.uint8).numpy()  # aligned as tensors are
            return bytes_.view(dtype).reshape(shape)
        self.layout[name] = (start, shape, dtype.str)
        return _at(self._memory, self.layout[name])

    @property
    def size(self) -> int:
        """Bytes of memory that hold all of it."""
        return self._used


def _at(memory: NDArray[np.uint8], where: tuple[int, tuple[int, ...], str]) -> NDArray[Any]:
    start, shape, dtype = where[0], where[1], np.dtype(where[2])
    return memory[start : start + math.prod(shape) * dtype.itemsize].view(dtype).reshape(shape)


Make = Callable[[int, Room], None]
"""Writes the part of that number into a room."""


def made(make: Make, order: Sequence[int], workers: int) -> Iterator[tuple[int, Parts]]:
    """``(i, arrays of the part i)`` for each of ``order``, made by so many processes ahead; here, if by none or where
    none can fork.

    What is given stays as it is for as long as anything refers to it, a tensor made of it too.

    Raises:
        UserError: ``make`` did.
    """
    if not workers or len(order) < 2 or "fork" not in multiprocessing.get_all_start_methods():
        yield from ((i, _made_here(make, i).parts) for i in order)
        return
    first = _made_here(make, order[0])  # says how large a place has to be
    crew = _Crew(make, order[1:], min(workers, len(order) - 1), first.size)
    try:
        given, first = first.parts, Room()
        yield order[0], given
        del given
        for turn, i in enumerate(order[1:]):
            yield i, crew.part(turn)
    finally:
        crew.dismiss()


def places(workers: int) -> int:
    """How many parts lie in shared memory at a time: those that are made ahead, and the one in use."""
    return PREFETCHED * workers + 1


def _made_here(make: Make, i: int) -> Room:
    room = Room()
    make(i, room)
    return room


class _Crew:
    """Processes that make the parts of ``order`` in turn, and the places that they write them to.

    A process that is killed costs time alone: what it was to make is made here.
    """

    def __init__(self, make: Make, order: Sequence[int], workers: int, size: int) -> None:
        self._make, self._order = make, order
        self._places = [mmap.mmap(-1, max(1, size)) for _ in range(places(workers))]
        self._free = list(range(len(self._places)))
        self._ahead = PREFETCHED * workers
        self._asked, self._sent = 0, dict[int, int]()  # turns asked for, and the places of those not yet given
        self._pipes, self._processes = [], []
        context = multiprocessing.get_context("fork")
        for _ in range(workers):
            here, there = context.Pipe()
            process = context.Process(target=_serve, args=(make, self._places, here, there, os.getpid()), daemon=True)
            process.start()
            there.close()  # else its end would not be seen here
            self._pipes.append(here)
            self._processes.append(process)
        self._ask()

    def part(self, turn: int) -> Parts:
        """The part of that turn, which is the one after the last given."""
        self._ask()
        place = self._sent.pop(turn, None)
        if place is None:  # nobody was asked: what was given before is all still in use, or its process was killed
            self._asked = max(self._asked, turn + 1)
            return _made_here(self._make, self._order[turn]).parts
        try:
            found = self._pipe(turn).recv()
        except (EOFError, OSError):
            self._lost(place)
            return _made_here(self._make, self._order[turn]).parts
        if isinstance(found, Exception):
            raise found
        if isinstance(found[0], dict):
            return self._read(place, found[0])
        self._free.append(place)
        return found[1]  # type: ignore[no-any-return]

    def _ask(self) -> None:
        """Ask for as many parts as may be made ahead and find a place."""
        while self._free and self._asked < len(self._order) and len(self._sent) < self._ahead:
            turn, place = self._asked, self._free.pop()
            self._asked += 1
            try:
                self._pipe(turn).send((self._order[turn], place))
                self._sent[turn] = place
            except OSError:
                self._lost(place)

    def _lost(self, place: int) -> None:
        self._free.append(place)
        warnings.warn("a process that reads images ahead was killed; its share is read here", stacklevel=4)

    def _pipe(self, turn: int) -> Connection[Any, Any]:
        return self._pipes[turn % len(self._pipes)]

    def _read(self, place: int, layout: Layout) -> Parts:
        """What lies at ``place``, without a copy; the place is free again once nothing refers to any of it."""
        lease = np.frombuffer(self._places[place], dtype=np.uint8)
        weakref.finalize(lease, self._free.append, place).atexit = False
        return {name: _at(lease, where) for name, where in layout.items()}

    def dismiss(self) -> None:
        """Let the processes go, in the middle of a part if need be."""
        for pipe, process in zip(self._pipes, self._processes, strict=True):
            if self._sent:
                process.terminate()
            try:
                pipe.send(None)
            except OSError:  # it is gone already
                continue
        for pipe, process in zip(self._pipes, self._processes, strict=True):
            process.join()
            pipe.close()


def _serve(
    make: Make, places: Sequence[mmap.mmap], parents: Connection[Any, Any], pipe: Connection[Any, Any], parent: int
) -> None:
    """What a process of a crew does until it is told to end, or its parent is gone."""
    parents.close()  # else the parent's end would not be seen here
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent's to answer
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    while (asked := _next(pipe, parent)) is not None:
        i, place = asked
        room = Room(np.frombuffer(places[place], dtype=np.uint8))
        try:
            make(i, room)
            pipe.send((room.layout, None if room.layout is not None else room.parts))
        except UserError as error:
            pipe.send(error)
        except BrokenPipeError:
            return
        except Exception:
            pipe.send(RuntimeError(f"a process that reads ahead failed:\n{traceback.format_exc()}"))


def _next(pipe: Connection[Any, Any], parent: int) -> tuple[int, int] | None:
    try:
        while not pipe.poll(PATIENCE):
            if os.getppid() != parent:
                return None
        found: tuple[int, int] | None = pipe.recv()
        return found
    except (EOFError, OSError):
        return None
