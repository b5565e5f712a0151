"""A folder that this process really cannot write to: for root a read-only mount, for others by its rights."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Nothing in ``folder`` can be written within the block; the test is skipped where root may not mount."""
    if os.geteuid():
        with _by_rights(folder):
            yield
        return
    mounted = subprocess.run(["mount", "-o", "bind,ro", folder, folder], capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a read-only mount is not permitted here: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@contextlib.contextmanager
def _by_rights(folder: Path) -> Iterator[None]:
    everything = [folder, *folder.rglob("*")]
    rights = [(path, path.stat().st_mode) for path in everything]
    for path, mode in rights:
        path.chmod(mode & 0o555)
    try:
        yield
    finally:
        for path, mode in rights:
            path.chmod(mode)
