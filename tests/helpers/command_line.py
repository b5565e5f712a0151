"""The command as a user types it, in a process of its own or in this one."""

import contextlib
import functools
import json
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any
from unittest import mock

import typer.core
from typer.main import get_command
from typer.testing import CliRunner

from dta_bench import cli
from dta_bench.errors import UserError


def dta_bench(*arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    command = [sys.executable, "-m", "dta_bench", *arguments]
    return subprocess.run(command, cwd=cwd, env=os.environ | env, capture_output=True, text=True, timeout=300)


def dta_bench_here(*arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the command in this process, which has the libraries already; the result is that of :func:`dta_bench`."""
    with (
        contextlib.ExitStack() as restored,
        tempfile.TemporaryFile("w+") as stdout,
        tempfile.TemporaryFile("w+") as stderr,
    ):
        restored.enter_context(contextlib.chdir(cwd))
        restored.enter_context(mock.patch.dict(os.environ, env))
        restored.enter_context(mock.patch.object(sys, "argv", ["dta-bench", *arguments]))
        restored.enter_context(_own_warnings())
        for descriptor, name, file in ((1, "stdout", stdout), (2, "stderr", stderr)):
            restored.enter_context(_stream_into(file, descriptor, name))
        try:
            cli.main()
            status = 0
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        restored.close()
        for file in (stdout, stderr):
            file.seek(0)
        return subprocess.CompletedProcess(["dta-bench", *arguments], status, stdout.read(), stderr.read())


def json_of(*arguments: str, cwd: Path) -> dict[str, Any]:
    """What the command prints with ``--json``, run in this process."""
    result = dta_bench_here(*arguments, "--json", cwd=cwd)
    assert result.returncode == 0, result.stderr
    printed: dict[str, Any] = json.loads(result.stdout)
    return printed


@contextlib.contextmanager
def _stream_into(file: IO[str], descriptor: int, name: str) -> Iterator[None]:
    """Let a standard stream and its descriptor, which libraries and child processes write to, end in a file."""
    kept = os.dup(descriptor)
    os.dup2(file.fileno(), descriptor)
    try:
        with os.fdopen(os.dup(descriptor), "w") as stream, mock.patch.object(sys, name, stream):
            yield
    finally:
        os.dup2(kept, descriptor)
        os.close(kept)


@contextlib.contextmanager
def _own_warnings() -> Iterator[None]:
    """Print each warning, as a process of its own would; pytest collects them."""

    def show(message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: object) -> None:
        sys.stderr.write(warnings.formatwarning(message, category, filename, lineno))

    with warnings.catch_warnings(), mock.patch.object(warnings, "formatwarning", warnings.formatwarning):
        warnings.resetwarnings()
        for category in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", category)  # as Python does
        warnings.showwarning = show
        yield


def refused(result: subprocess.CompletedProcess[str]) -> str:
    """What the command said when it refused, with status 2 and without a traceback."""
    assert result.returncode == 2, result.stderr
    assert "Traceback" not in result.stderr
    return result.stderr


def refusal(line: str) -> str:
    """The sentence with which the command refuses a line, run in this process."""
    result = CliRunner().invoke(cli.app, line.split())
    if isinstance(result.exception, UserError):
        return str(result.exception)
    assert result.exit_code == 2, (result.output, result.exception)
    return result.output


def commands() -> dict[str, Any]:
    """The program's commands by name; a command of several forms once for each form, as ``profile data``."""
    found: dict[str, Any] = {}
    for name, command in program().items():
        if isinstance(command, typer.core.TyperGroup):
            found |= {f"{name} {form}": one for form, one in command.commands.items()}
        else:
            found[name] = command
    return found


def program() -> dict[str, Any]:
    """What follows ``dta-bench`` on the command line, by name."""
    return dict(command_tree().commands)


@functools.cache
def command_tree() -> typer.core.TyperGroup:
    """The commands to look at. Other ones are run: a command keeps the help option that it was first asked for."""
    group = get_command(cli.app)
    assert isinstance(group, typer.core.TyperGroup)
    return group
