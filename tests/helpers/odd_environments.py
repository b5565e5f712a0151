"""Processes in odd environments: of another user, with another /dev/shm, without a home or a temporary folder."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

STRANGER = 54321  # a user without an entry in /etc/passwd
OF_STRANGER = [
    "setpriv", f"--reuid={STRANGER}", f"--regid={STRANGER}", "--clear-groups", "--inh-caps=+dac_read_search",
    "--ambient-caps=+dac_read_search",
]  # fmt: skip
"""Opens a command as the stranger, who may read all files, as the interpreter's in a private folder, but write none."""
NAMES = ("HOME", "USER", "LOGNAME", "USERNAME", "LNAME", "TMPDIR", "RAY_TMPDIR", "XDG_CACHE_HOME", "DTA_BENCH_CACHE")
PAIR = "source: src\ntarget: tgt\nclasses: [cat, dog]\nimage_size: 32\nlabels: 4\n"


def with_mounts(*lines: str) -> list[str]:
    """Opens a command that sees other file systems than the rest of the machine, made by these shell lines."""
    return ["unshare", "-m", "sh", "-c", " && ".join([*lines, 'exec "$@"']), "sh"]


def skip_without(folder: Path, opening: list[str]) -> None:
    """Skip the test, with the reason, where commands cannot be opened so."""
    if not opening:
        return
    if os.geteuid() != 0:
        pytest.skip("needs root, to act as another user and to mount")
    try:
        tried = subprocess.run([*opening, sys.executable, "-c", ""], cwd=folder, capture_output=True, text=True)
    except OSError as error:
        pytest.skip(f"{opening[0]} does not start: {error.strerror}")
    if tried.returncode:
        pytest.skip(f"{opening[0]} is not allowed here: {tried.stderr.strip()}")


@contextmanager
def workplace() -> Iterator[Path]:
    """A folder with a small pair of domains, the benchmark ``mine``, and a folder ``own`` of the stranger's.

    Its name is short, so that Ray's sockets fit, and every user may write to it, as to ``/tmp``.
    """
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="t") as name:
        folder = Path(name)
        folder.chmod(0o1777)
        for domain, shift in (("src", 0), ("tgt", 50)):
            for number, class_name in enumerate(("cat", "dog")):
                (folder / "data" / domain / class_name).mkdir(parents=True)
                for image in range(8):
                    noise = np.random.default_rng(1000 * number + image + shift)
                    pixels = noise.integers(20, 235, (32, 32, 3)).astype(np.uint8)
                    Image.fromarray(pixels).save(folder / "data" / domain / class_name / f"{image}.png")
        (folder / "benchmarks").mkdir()
        (folder / "benchmarks" / "mine.yaml").write_text(PAIR)
        (folder / "own").mkdir()
        if os.geteuid() == 0:
            os.chown(folder / "own", STRANGER, STRANGER)
        yield folder


def run(folder: Path, opening: list[str], env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``dta-bench`` in a workplace; of the variables in ``NAMES``, it has those in ``env`` alone."""
    skip_without(folder, opening)
    inherited = {name: value for name, value in os.environ.items() if name not in NAMES}
    command = [*opening, sys.executable, "-P", "-m", "dta_bench", *arguments]
    return subprocess.run(command, cwd=folder, env=inherited | env, capture_output=True, text=True, timeout=1200)
