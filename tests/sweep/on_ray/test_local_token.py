"""A Ray that a sweep starts on this machine asks for a token, which nobody else knows and no argument shows."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from real_sweeps import start, title, wait_until

JOIN = "import sys, ray; ray.init(address=sys.argv[1]); print('joined', ray.cluster_resources())"


@pytest.mark.slow
def test_another_process_cannot_join_without_the_token_of_this_sweep(tmp_path: Path) -> None:
    process = start(
        "sweep", "fonts_digits", "--points", "1", "--seeds", "1", "--confirm", "0", "--epochs", "50", cwd=tmp_path
    )
    servers: list[psutil.Process] = []

    def head_is_there() -> bool:
        assert process.poll() is None, process.communicate()
        servers[:] = [p for p in psutil.Process(process.pid).children(recursive=True) if "gcs_server" in title(p)]
        return bool(servers) and any("ray::" in title(p) for p in psutil.Process(process.pid).children(recursive=True))

    try:
        wait_until(head_is_there)
        environment = servers[0].environ()
        token, port = environment["RAY_AUTH_TOKEN"], option(servers[0], "gcs_server_port")
        assert len(token) == 64
        assert all(token not in title(p) for p in psutil.Process(process.pid).children(recursive=True))
        for mode in ({"RAY_AUTH_MODE": "disabled"}, {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64}):
            assert "joined" not in join(port, mode)
        assert "joined" in join(port, {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token})
    finally:
        process.terminate()
        process.communicate(timeout=540)


def option(process: psutil.Process, name: str) -> str:
    (value,) = [word.partition("=")[2] for word in process.cmdline() if word.startswith(f"--{name}=")]
    return value


def join(port: str, env: dict[str, str]) -> str:
    """What a process prints that tries to join the Ray at ``port``; it gives up after a while."""
    command = [sys.executable, "-c", JOIN, f"127.0.0.1:{port}"]
    try:
        return subprocess.run(command, env=os.environ | env, capture_output=True, text=True, timeout=120).stdout
    except subprocess.TimeoutExpired as error:
        return (error.stdout or b"").decode()
