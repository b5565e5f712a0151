"""Notices what Ray tells after minutes or not at all: that it has died, or a worker's process before it took work."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
import time
from collections.abc import Callable

import psutil

from dta_bench.errors import UserError

LOOK_SECONDS = 2.0
SILENT_SECONDS = 12.0
"""How long the head may be out of reach: a busy one may miss a look."""
ANSWER_SECONDS = 4.0
END_SECONDS = 8.0
"""How long the sweep has for its own end, which may ask a dead head for something; then its process ends."""
STATUS = 2
RAYLET_DIED = "Ray on this machine has died (its raylet)"
GOES_ON = "what was finished is kept, and once Ray is up again the same command goes on"
STARTS_AGAIN = "Ray waits for it for a minute, then it starts another one"


def watch(dead: Callable[[str], None], say: Callable[[str], None]) -> RayAlive:
    """Watch the Ray to which this process is connected; see :class:`RayAlive`.

    Raises:
        UserError: it has died already.
    """
    import ray

    node = ray._private.worker._global_node
    try:
        raylet = find_raylet(node.raylet_socket_name)
    except LookupError as error:
        raise UserError(f"{RAYLET_DIED}; {GOES_ON}") from error
    return RayAlive(ray.get_runtime_context().gcs_address, raylet, dead, say)


def find_raylet(socket_name: str) -> psutil.Process | None:
    """The raylet with that socket; None where a raylet cannot be read, which is then another user's.

    Raises:
        LookupError: there is none.
    """
    is_readable = True
    for process in psutil.process_iter():
        try:
            if process.name() == "raylet" and any(socket_name in word for word in process.cmdline()):
                return process
        except psutil.AccessDenied:
            is_readable = False
        except psutil.Error:
            continue
    if is_readable:
        raise LookupError(socket_name)
    return None


class StartingWorkers:
    """The processes of workers that a raylet has started and that have not reported to it yet.

    One that dies before it reports is missed by Ray alone after a minute, when it starts another one.
    """

    def __init__(self, raylet: psutil.Process | None) -> None:
        self._raylet = raylet
        self._starting: dict[int, psutil.Process] = {}

    def vanished(self) -> list[int]:
        """The processes that were starting at the last look and have died since."""
        if self._raylet is None:
            return []
        before = self._starting
        with contextlib.suppress(psutil.Error):
            self._starting = {child.pid: child for child in self._raylet.children() if _is_starting(child)}
        return [pid for pid, process in before.items() if pid not in self._starting and not is_running(process)]


def _is_starting(process: psutil.Process) -> bool:
    """Whether a child of a raylet is a worker without a title of Ray's, which it gets when it reports."""
    try:
        return any(word.endswith("default_worker.py") for word in process.cmdline())
    except psutil.Error:
        return False


class RayAlive:
    """Watches, in a thread of its own, the head's GCS and the raylet of this machine, on which the driver depends.

    Args:
        raylet: None where it cannot be watched.
        dead: called once with the sentence, in that thread; it should end the sweep.
        say: called with a sentence that only has to be told, in that thread.
    """

    def __init__(
        self, address: str, raylet: psutil.Process | None, dead: Callable[[str], None], say: Callable[[str], None]
    ) -> None:
        self._address, self._raylet, self._dead, self._say = address, raylet, dead, say
        self._workers = StartingWorkers(raylet)
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
                return self._end(RAYLET_DIED)
            for pid in self._workers.vanished():
                self._say(f"a worker's process ({pid}) died while it started; {STARTS_AGAIN}")
        return None

    def _end(self, what: str) -> None:
        sentence = f"{what}; {GOES_ON}"
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
