"""Sweeps as a user starts them, in real processes; where these listen, and the runs that they left in the store."""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from dta_bench.run.workspace import Workspace


def start(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "dta_bench", *arguments]
    return subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run_json(*arguments: str, cwd: Path) -> dict[str, Any]:
    process = start(*arguments, "--json", cwd=cwd)
    stdout, stderr = process.communicate(timeout=3000)  # pytest has its own, shorter or longer
    assert process.returncode == 0, stderr
    printed: dict[str, Any] = json.loads(stdout)
    return printed


def tracked(cwd: Path) -> list[Any]:
    return Workspace(str(cwd), str(cwd), f"sqlite:///{cwd / 'mlflow.db'}").tracker().runs("fonts_digits")


def title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:  # ended in the meantime
        return ""


def listening_addresses(pid: int) -> set[str]:
    """The addresses at which a process and its children listen, with one spelling for IPv4's loopback."""
    addresses = set()
    for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            listening = [c for c in process.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
            addresses |= {connection.laddr.ip.removeprefix("::ffff:") for connection in listening}
    return addresses


def wait_until(happened: Callable[[], bool], pause: float = 1.0) -> None:
    deadline = time.monotonic() + 900
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(pause)
