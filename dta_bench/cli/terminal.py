"""What goes to stdout and what to stderr: results to stdout, everything else to stderr."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
import warnings
import webbrowser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from dta_bench.cli.options import DEFAULT_OUT, DEFAULT_ROOT
from dta_bench.errors.credentials import mask

if TYPE_CHECKING:
    from rich.console import Console

PACKAGE = Path(__file__).parents[1]


def print_own_warnings_as_notes() -> None:
    """Print warnings that this package gives as one line each; Python's form names a file and a line of source."""
    format_of_python = warnings.formatwarning

    def as_text(
        message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
    ) -> str:
        if category is UserWarning and Path(filename).is_relative_to(PACKAGE):
            return f"note: {message}\n"
        return format_of_python(message, category, filename, lineno, line)

    warnings.formatwarning = as_text


def console(stream: TextIO, quiet: bool = False) -> Console:
    """A console that writes to ``stream``; if that is no terminal, 80 columns wide and without colour.

    Args:
        quiet: print nothing.
    """
    from rich.console import Console

    return Console(file=stream, width=None if stream.isatty() else 80, quiet=quiet)


def stderr_console(quiet: bool = False) -> Console:
    """The console for progress and notes."""
    return console(sys.stderr, quiet)


def in_columns(name: str, summary: str) -> str:
    """A name and its summary in one line, cut to the terminal's width; whole where there is no terminal."""
    line = f"  {name:<22} {' '.join(summary.split())}"
    width = shutil.get_terminal_size((len(line), 24)).columns
    return line if len(line) <= width else f"{line[: width - 3].rstrip()}..."


def print_json(value: Any, stdout: TextIO | None = None) -> None:
    """Print exactly one JSON object."""
    print(json.dumps(value, indent=2, allow_nan=False, default=str), file=stdout or sys.stdout)


def open_in_browser(address: str) -> None:
    """Open a page in the user's browser; where there is none, say so."""
    if not webbrowser.open(address):
        print(f"note: no browser could be opened here; the page is {address}", file=sys.stderr)


def print_ending(made: str, next_commands: Sequence[str], stream: TextIO) -> None:
    """Name what a command has made, and the commands that go on from there.

    Args:
        made: a sentence; empty: nothing was made.
        next_commands: as they can be typed, each with what it is for behind ``#``.
    """
    if made:
        print(made, file=stream)
    for number, command in enumerate(next_commands):
        print(f"{'Next: ' if number == 0 else '      '}{command}", file=stream)


def same_places(*, out: Path | None = None, root: Path | None = None, tracking_uri: str | None = None) -> str:
    """The options that lead another command to the same places, with a space before each.

    A place that is the default, or that an environment variable names, is left out.
    """
    words = list[str]()
    for option, value, default, variable in (
        ("--root", root, DEFAULT_ROOT, "DTA_BENCH_ROOT"),
        ("--out", out, DEFAULT_OUT, "DTA_BENCH_OUT"),
        ("--tracking-uri", tracking_uri, None, "MLFLOW_TRACKING_URI"),
    ):
        if value not in (None, default) and os.environ.get(variable) != str(value):
            words += [option, mask(str(value))]
    return f" {shlex.join(words)}" if words else ""


@contextmanager
def chatter_on_stderr() -> Iterator[TextIO]:
    """Send everything that is printed within the block to stderr, also by child processes; yields the real stdout."""
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
