"""Parts made ahead: the same in the same order whoever makes them, also when one is killed or raises an error."""

import gc
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from dta_bench.data import prefetch
from dta_bench.data.prefetch import PartBuffer, Parts
from dta_bench.errors import UserError


def arrays(i: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(i)
    return {
        "images": rng.integers(0, 256, (1 + i % 3, 5, 7, 3), dtype=np.uint8),  # the last batch may be short
        "labels": np.array([i, -i]),
        "floats": rng.random((2, 3), dtype=np.float32),
    }


def write(i: int, buffer: PartBuffer) -> None:
    for name, array in arrays(i).items():
        buffer.array(name, array.shape, array.dtype)[...] = array


def is_part(found: Parts, i: int) -> bool:
    expected = arrays(i)
    return list(found) == list(expected) and all(
        found[name].dtype == array.dtype and np.array_equal(found[name], array) for name, array in expected.items()
    )


EARLIER: set[int] = set()
"""Processes that other tests have left running, such as a resource tracker."""


@pytest.fixture(autouse=True)
def _earlier_processes() -> None:
    EARLIER.clear()
    EARLIER.update(child.pid for child in psutil.Process().children())


def children() -> list[psutil.Process]:
    """The processes that the test has started and that still run."""
    mine = (child for child in psutil.Process().children() if child.pid not in EARLIER)
    return [child for child in mine if child.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize("workers", [0, 1, 2, 3])
@pytest.mark.parametrize("order", [[], [4], [3, 1], [3, 1, 2], list(range(20))])
def test_parts_come_in_order_and_unchanged(workers: int, order: list[int]) -> None:
    seen = []
    for i, found in prefetch.make_ahead(write, order, workers):
        seen.append(i)
        assert is_part(found, i)
    assert seen == order


def test_a_part_may_be_larger_than_the_first() -> None:
    def growing(i: int, buffer: PartBuffer) -> None:
        buffer.array("x", (i + 1, 1000), np.uint8)[...] = i
        buffer.array("y", (3,), np.int64)[...] = i

    found = list(prefetch.make_ahead(growing, range(9), 1))
    assert [len(parts["x"]) for _, parts in found] == list(range(1, 10))
    assert [(parts["x"].max(), parts["y"].max()) for _, parts in found] == [(i, i) for i in range(9)]


def test_parts_that_are_all_held_stay_unchanged() -> None:
    held = list(prefetch.make_ahead(write, range(30), 2))  # more than there are slots
    assert all(is_part(found, i) for i, found in held)


def test_a_tensor_keeps_its_part_and_slots_that_nothing_refers_to_are_used_again() -> None:
    def one_array(i: int, buffer: PartBuffer) -> None:
        buffer.array("x", (4096,), np.float32)[...] = i

    parts = prefetch.make_ahead(one_array, range(40), 1)
    next(parts)
    held = [torch.from_numpy(next(parts)[1]["x"])[6:].view(-1, 10)]
    addresses = set()
    for i, found in parts:
        assert (held[0] == 1).all(), i
        addresses.add(found["x"].ctypes.data)
        assert found["x"].ctypes.data % prefetch.ALIGNED == 0
        del found
    assert len(addresses) <= prefetch.PREFETCHED + 1


@pytest.mark.parametrize("workers", [0, 2])
def test_a_user_error_comes_with_its_own_words_after_the_parts_before_it(workers: int) -> None:
    def broken(i: int, buffer: PartBuffer) -> None:
        if i == 5:
            raise UserError("5.jpg cannot be read")
        write(i, buffer)

    parts = prefetch.make_ahead(broken, range(9), workers)
    assert [next(parts)[0] for _ in range(5)] == list(range(5))
    with pytest.raises(UserError, match=r"^5\.jpg cannot be read$"):
        next(parts)


def test_another_error_comes_with_the_traceback_of_the_worker() -> None:
    def faulty(i: int, buffer: PartBuffer) -> None:
        write(i, buffer)
        if i == 3:
            raise KeyError("nobody")

    with pytest.raises(RuntimeError, match=r"in faulty\n(.*\n)*KeyError: 'nobody'"):
        list(prefetch.make_ahead(faulty, range(9), 2))
    assert not children()


def test_an_array_cannot_be_asked_for_in_two_shapes() -> None:
    buffer = PartBuffer()
    buffer.array("x", (2, 3), np.uint8)
    with pytest.raises(ValueError, match=r"x has the shape \(2, 3\), not \(2, 4\)"):
        buffer.array("x", (2, 4), np.uint8)


@pytest.mark.parametrize("killed", [1, 2])
def test_no_part_is_lost_when_workers_are_killed(killed: int) -> None:
    parts = prefetch.make_ahead(write, range(40), 2)
    assert is_part(next(parts)[1], 0)
    for child in children()[:killed]:
        child.kill()
        child.wait()
    with pytest.warns(UserWarning, match="was killed; its share is read here"):
        assert all(is_part(found, i) for i, found in parts)


def take_two(parts: Iterator[object]) -> None:
    next(parts)
    next(parts)


def test_no_worker_outlives_an_iteration_that_ended_or_was_abandoned() -> None:
    list(prefetch.make_ahead(write, range(9), 2))
    assert not children()
    take_two(prefetch.make_ahead(write, range(99), 2))
    gc.collect()
    assert not children()


def test_workers_ignore_an_interrupt_of_the_whole_process_group() -> None:
    parts = prefetch.make_ahead(write, range(20), 2)
    next(parts)
    for child in children():
        child.send_signal(signal.SIGINT)
    assert [i for i, found in parts if is_part(found, i)] == list(range(1, 20))


FORKING = """
import sys, time, numpy as np
from dta_bench.data import prefetch
parts = prefetch.make_ahead(lambda i, buffer: buffer.array("x", (9,), np.uint8).fill(i), range(10**6), 2)
next(parts), next(parts)
print("under way", flush=True)
time.sleep(600)
"""


def test_a_killed_parent_leaves_no_worker_and_no_shared_memory() -> None:
    before = set(Path("/dev/shm").iterdir())
    parent = subprocess.Popen([sys.executable, "-c", FORKING], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "under way\n"
    workers = psutil.Process(parent.pid).children()
    assert len(workers) == 2
    parent.kill()
    parent.wait()
    gone, alive = psutil.wait_procs(workers, timeout=60)
    assert (len(gone), alive) == (2, [])
    mine = [path for path in set(Path("/dev/shm").iterdir()) - before if str(parent.pid) in path.name]
    assert mine == []
