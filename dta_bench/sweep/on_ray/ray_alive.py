"""Notices that the Ray of a sweep has died, which Ray itself tells after minutes or not at all."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Callable

import psutil

LOOK_SECONDS = 3.0
SILENT_SECONDS = 12.0
"""How long the head may be out of reach: a busy one may miss a look."""
ANSWER_SECONDS = 4.0
END_SECONDS = 8.0
"""How long the sweep has for its own end, which may ask a dead head for something; then its process ends."""
STATUS = 2


def watch(dead: Callable[[str], None]) -> RayAlive:
    """Watch the Ray to which this process is connected."""
    import ray

    node = ray._private.worker._global_node
    return RayAlive(ray.get_runtime_context().gcs_address, _raylet(node.raylet_socket_name), dead)


def _raylet(socket_name: str) -> psutil.Process | None:
    for process in psutil.process_iter():
        try:
            if process.name() == "raylet" and any(socket_name in word for word in process.cmdline()):
                return process
        except psutil.Error:
            continue
    return None


class RayAlive:
    """Watches, in a thread of its own, the head's GCS and the raylet of this machine, on which the driver depends.

    Args:
        dead: called once with the sentence, in that thread; it should end the sweep.
    """

    def __init__(self, address: str, raylet: psutil.Process | None, dead: Callable[[str], None]) -> None:
        self._address, self._raylet, self._dead = address, raylet, dead
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="is Ray alive", daemon=True)

    def __enter__(self) -> RayAlive:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()

    def _watch(self) -> None:
        answered = time.monotonic()
        while not self._ended.wait(LOOK_SECONDS):
            if answers(self._address):
                answered = time.monotonic()
            elif time.monotonic() - answered > SILENT_SECONDS:
                return self._end(f"Ray's head at {self._address} does not answer any more (its GCS has died)")
            if self._raylet is not None and not is_running(self._raylet):
                return self._end("Ray on this machine has died (its raylet)")
        return None

    def _end(self, what: str) -> None:
        sentence = f"{what}; what was finished is kept, and once Ray is up again the same command goes on"
        self._dead(sentence)
        time.sleep(END_SECONDS)  # a daemon's thread: it goes with the process
        print(f"dta-bench: {sentence}", file=sys.stderr, flush=True)
        os._exit(STATUS)


def answers(address: str) -> bool:
    """Whether something listens at host:port."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=ANSWER_SECONDS).close()
    except OSError:
        return False
    return True


def is_running(process: psutil.Process) -> bool:
    """Whether a process works; a zombie does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
