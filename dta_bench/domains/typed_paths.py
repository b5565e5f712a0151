"""Paths as a user types them: ``~`` stands for the home, and another Unicode form than the disk's is the same name."""

from __future__ import annotations

import os
from pathlib import Path

from dta_bench.domains.file_names import NamesOnDisk


def absolute(typed: Path) -> Path:
    """The absolute path of what was typed, in the spelling of the disk; parts that are not there stay as typed.

    A path that is there as it was typed is always that one.
    """
    path = Path.cwd() / typed.expanduser()
    if not os.path.lexists(path):
        there = next(parent for parent in path.parents if os.path.lexists(parent))
        for part in path.relative_to(there).parts:
            there /= NamesOnDisk(there).find(part) or part
        path = there
    return path.resolve()
