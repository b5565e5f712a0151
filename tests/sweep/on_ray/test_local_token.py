"""A Ray that a sweep starts on this machine asks for a token, which nobody else knows and no argument shows."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from real_sweeps import start, title, wait_until

from dta_bench.sweep.on_ray.cluster import LOOPBACK_ONLY

JOIN = "import sys, ray; ray.init(address=sys.argv[1]); print('joined')"
LONG_SWEEP = ("sweep", "fonts_digits", "--points", "1", "--seeds", "1", "--confirm", "0", "--epochs", "500")


@pytest.mark.slow
def test_another_process_cannot_join_without_the_token_of_this_sweep(tmp_path: Path) -> None:
    sweep = start(*LONG_SWEEP, cwd=tmp_path)
    family: list[psutil.Process] = []

    def trains() -> bool:
        assert sweep.poll() is None, sweep.communicate()
        family[:] = psutil.Process(sweep.pid).children(recursive=True)
        return any("ray::TrainRun" in title(process) for process in family)

    try:
        wait_until(trains)
        (raylet,) = [process for process in family if process.name() == "raylet"]
        token, address = raylet.environ()["RAY_AUTH_TOKEN"], option(raylet, "gcs-address")
        assert len(token) == 64
        assert not any(token in title(process) for process in family)
        assert not joins(address, {"RAY_AUTH_MODE": "disabled"})
        assert not joins(address, {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64})
        assert joins(address, {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token})
    finally:
        sweep.terminate()
        sweep.communicate(timeout=540)


def option(process: psutil.Process, name: str) -> str:
    (value,) = [word.partition("=")[2] for word in process.cmdline() if word.startswith(f"--{name}=")]
    return value


def joins(address: str, env: dict[str, str]) -> bool:
    """Whether another process can join the Ray at ``address``."""
    command, env = [sys.executable, "-c", JOIN, address], os.environ | LOOPBACK_ONLY | env
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
    assert (done.returncode == 0) == ("joined" in done.stdout)
    assert done.returncode == 0 or "Failed to connect to Ray cluster" in done.stderr, done.stderr
    return done.returncode == 0
