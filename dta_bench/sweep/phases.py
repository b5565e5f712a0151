"""What a sweep says before its first result: what it is doing, at once, and again every few seconds; Ctrl-C, too."""

from __future__ import annotations

import contextlib
import signal
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


class Repeating:
    """Calls a function again and again in a thread of its own, until the end of the block.

    Args:
        function: may print.
        pause: seconds until the next call.
    """

    def __init__(self, function: Callable[[], None], pause: Callable[[], float]) -> None:
        self._function, self._pause, self._over = function, pause, threading.Event()

    def start(self) -> None:
        """Begin; the first call is after the first pause."""
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

    Raises:
        Interrupted: one of them has come.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, _acknowledge) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _acknowledge(*_: object) -> None:
    say_that_it_stops()
    raise Interrupted


def say_that_it_stops() -> None:
    """Answer Ctrl-C or SIGTERM."""
    print("stopping; finished runs are kept, the same command goes on", file=sys.stderr, flush=True)
