"""What goes to stdout and what to stderr: results to the one, everything else to the other."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console


def console(stream: TextIO, quiet: bool = False) -> Console:
    """A console on ``stream``, 80 columns wide and without colour where that is no terminal; ``quiet`` says nothing."""
    from rich.console import Console

    return Console(file=stream, width=None if stream.isatty() else 80, quiet=quiet)


def stderr_console(quiet: bool = False) -> Console:
    """The console for progress and notes."""
    return console(sys.stderr, quiet)


def indented(name: str, said: str) -> str:
    """A name, and what is said of it in a column of its own, as wide as the terminal (80 where there is none)."""
    width = shutil.get_terminal_size((80, 24)).columns
    return textwrap.fill(f"{name:<22} {said}", width, initial_indent="  ", subsequent_indent=" " * 25)


def print_json(found: Any, stdout: TextIO | None = None) -> None:
    """Exactly one JSON object."""
    print(json.dumps(found, indent=2, allow_nan=False, default=str), file=stdout or sys.stdout)


@contextmanager
def chatter_on_stderr() -> Iterator[TextIO]:
    """Within the block file descriptor 1 leads to stderr, for child processes too; yields the real stdout."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    stdout = os.fdopen(os.dup(kept), "w")
    try:
        yield stdout
    finally:
        stdout.flush()
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)
