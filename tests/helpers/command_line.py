"""The command as a user types it, in a process of its own or in this one."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import typer
import typer.core
from typer.testing import CliRunner

from dta_bench import cli
from dta_bench.errors import UserError


def dta_bench(*arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    command = [sys.executable, "-m", "dta_bench", *arguments]
    return subprocess.run(command, cwd=cwd, env=os.environ | env, capture_output=True, text=True, timeout=300)


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
    group = typer.main.get_command(cli.app)
    assert isinstance(group, typer.core.TyperGroup)
    return dict(group.commands)
