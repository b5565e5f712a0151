"""Whether Ray is alive, with a socket and a process that stand for it."""

import socket
import subprocess
import threading

import psutil
import pytest

from dta_bench.sweep.on_ray import ray_alive
from dta_bench.sweep.on_ray.ray_alive import RayAlive


@pytest.fixture(autouse=True)
def quick_and_harmless(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """No waiting, and the end of a process is noted only; returns the statuses."""
    ended = list[int]()
    for name in ("LOOK_SECONDS", "SILENT_SECONDS", "END_SECONDS"):
        monkeypatch.setattr(ray_alive, name, 0.01)
    monkeypatch.setattr(ray_alive.os, "_exit", ended.append)
    return ended


def said_only(sentence: str) -> None:
    """What only has to be said is no business of these tests."""


def told_of(address: str, raylet: psutil.Process | None) -> str:
    """What is told of a Ray."""
    told, happened = list[str](), threading.Event()

    def note(sentence: str) -> None:
        told.append(sentence)
        happened.set()

    with RayAlive(address, raylet, note, said_only) as watch:
        assert happened.wait(20)
        watch._thread.join(20)
    return told[0]


def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


def test_a_head_that_does_not_answer_is_told_with_its_address() -> None:
    address = free_address()
    assert told_of(address, None).startswith(f"Ray's head at {address} does not answer any more")


def test_a_raylet_that_has_died_is_told() -> None:
    process = subprocess.Popen(["sleep", "100"])
    raylet = psutil.Process(process.pid)
    process.kill()
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert "(its raylet)" in told_of(f"127.0.0.1:{server.getsockname()[1]}", raylet)
    process.wait()


def test_the_process_ends_with_a_status_even_if_the_sweep_does_not(quick_and_harmless: list[int]) -> None:
    watch = RayAlive(free_address(), None, lambda _: None, said_only)
    with watch:
        watch._thread.join(20)
    assert quick_and_harmless == [ray_alive.STATUS]


def test_while_both_are_there_nothing_is_told() -> None:
    told = list[str]()
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with RayAlive(address, psutil.Process(), told.append, said_only) as watch:
            watch._thread.join(0.2)
    assert told == []
