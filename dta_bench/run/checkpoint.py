"""Files of checkpoints: written whole or not at all, and read without running code from them."""

from __future__ import annotations

import contextlib
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import torch

from dta_bench.errors import UserError

FORMAT = 1
WRITING, PREVIOUS = ".writing", ".previous"
SUFFIXES = (".pt", WRITING, PREVIOUS)
"""Of the files of a checkpoint."""


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint at ``path``, whole or not at all.

    The checkpoint before it stays beside it, with the suffix ``.previous``.

    Args:
        state: tensors, numbers, strings and containers of them.

    Raises:
        UserError: the folder cannot be written (permissions, full disk).
    """
    _write(path, lambda file: torch.save(state | {"format": FORMAT}, file))


def write_whole(path: Path, source: BinaryIO) -> None:
    """As :func:`save`, with what an open file holds."""
    _write(path, lambda file: shutil.copyfileobj(source, file, 2**20))


def _write(path: Path, write: Callable[[BinaryIO], object]) -> None:
    unfinished = path.with_suffix(WRITING)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with unfinished.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            path.replace(_previous(path))
        unfinished.replace(path)
    except (OSError, RuntimeError) as error:  # torch reports a failed write as RuntimeError, its cause as context
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
        cause = error if isinstance(error, OSError) else error.__context__
        why = getattr(cause, "strerror", None) or error
        raise UserError(f"cannot write the checkpoint {path}: {why}; free space or choose another --out") from error


def load(path: Path, expected: dict[str, str]) -> dict[str, Any] | None:
    """Read the newest whole checkpoint at ``path`` whose fields equal those of ``expected``.

    If the file is torn or of another run, the one before it is tried. Only plain tensors and containers are unpickled
    (``weights_only=True``).

    Returns:
        The saved state, on the CPU; None if there is no such checkpoint.
    """
    for candidate in (path, _previous(path)):
        state = _read(candidate)
        if state is not None and all(state.get(key) == value for key, value in expected.items()):
            return state
    return None


def discard(path: Path) -> None:
    """Remove the checkpoint and the one before it."""
    path.unlink(missing_ok=True)
    _previous(path).unlink(missing_ok=True)


def _previous(path: Path) -> Path:
    return path.with_suffix(PREVIOUS)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, pickle.UnpicklingError, EOFError):
        return None
    return state if isinstance(state, dict) and state.get("format") == FORMAT else None
