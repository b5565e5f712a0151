"""What a sweep says before its first result: what it is doing, at once, and again every few seconds; Ctrl-C, too."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from dta_bench.errors import Interrupted

if TYPE_CHECKING:
    from rich.console import Console

EVERY = 5.0
"""Seconds after which it is said again."""
SIGNALS = (signal.SIGINT, signal.SIGTERM)
MOST_SIGNALS = 3
_said_at = [-10.0]
"""When it was last said that the command stops."""


class Repeating:
    """Calls a function again and again in a thread of its own, until the end of the block.

    Args:
        function: may print.
        pause: seconds until the next call.
    """

    def __init__(self, function: Callable[[], None], pause: Callable[[], float]) -> None:
        self._function, self._pause, self._over = function, pause, threading.Event()
        self._has_begun = False

    def start(self) -> None:
        """Begin, if it has not begun yet; the first call is after the first pause."""
        if self._has_begun:
            return
        self._has_begun = True
        threading.Thread(target=self._repeat, name="repeating", daemon=True).start()

    def stop(self) -> None:
        """Call it no more."""
        self._over.set()

    def _repeat(self) -> None:
        while not self._over.wait(self._pause()):
            self._function()


class Phases:
    """Says what a sweep is doing until somebody else shows its progress.

    Args:
        console: for notes.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._what, self._since = "", time.monotonic()
        self._again = Repeating(self.say_again, lambda: EVERY)

    def __enter__(self) -> Phases:
        self._again.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def begin(self, what: str) -> None:
        """Say at once what is being done now."""
        self._what, self._since = what, time.monotonic()
        self._print(f"{what} ...")

    def say_again(self) -> None:
        """Say what is still being done, if anything is."""
        if self._what:
            self._print(f"{self._what}, {time.monotonic() - self._since:.0f} s so far ...")

    def close(self) -> None:
        """Say nothing more."""
        self._what = ""
        self._again.stop()

    def _print(self, text: str) -> None:
        self._console.print(text, style="dim", highlight=False, soft_wrap=True, markup=False)


@contextlib.contextmanager
def acknowledged_interrupts() -> Iterator[None]:
    """Within the block, Ctrl-C and SIGTERM are answered with a line at once, and end the command.

    A thread of its own answers: the main thread may be inside a library that lets no handler of Python run, as while
    Ray starts. The third signal ends the process even then.

    Raises:
        Interrupted: one of them has come.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard, told = socket.socketpair()
    told.setblocking(False)
    wakeup_before = signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_answer_signals, args=(heard,), name="signals", daemon=True).start()
    before = [signal.signal(number, _interrupt) for number in SIGNALS]
    try:
        yield
    finally:
        for number, handler in zip(SIGNALS, before, strict=True):
            signal.signal(number, handler)
        signal.set_wakeup_fd(wakeup_before)
        told.close()  # which ends the thread


def _answer_signals(heard: socket.socket) -> None:
    count = 0
    with heard:
        while numbers := heard.recv(1):
            if numbers[0] in SIGNALS:
                count += 1
                say_that_it_stops()
            if count == MOST_SIGNALS:
                os._exit(130)


def _interrupt(*_: object) -> None:
    say_that_it_stops()
    raise Interrupted


def say_that_it_stops() -> None:
    """Answer Ctrl-C or SIGTERM, once where two answer the same signal."""
    now = time.monotonic()
    if now - _said_at[0] > 1:
        _said_at[0] = now
        print("stopping; finished runs are kept, the same command goes on", file=sys.stderr, flush=True)
