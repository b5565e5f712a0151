"""Exact resume: everything that a run's next step depends on, written so that a torn write leaves the one before."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import torch

from dta_bench.errors import UserError

FORMAT = 1


def save(path: Path, state: dict[str, Any]) -> None:
    """Write ``state`` (tensors, numbers, strings and containers of them) at ``path``, whole or not at all.

    The checkpoint before is kept beside it as ``<path>.previous``.

    Raises:
        UserError: the folder cannot be written (permissions, full disk).
    """
    fresh = path.with_suffix(".writing")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with fresh.open("wb") as file:
            torch.save(state | {"format": FORMAT}, file)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            path.replace(_previous(path))
        fresh.replace(path)
    except (OSError, RuntimeError) as error:  # torch reports a failed write as RuntimeError, its cause as context
        fresh.unlink(missing_ok=True)
        cause = error if isinstance(error, OSError) else error.__context__
        why = getattr(cause, "strerror", None) or error
        raise UserError(f"cannot write the checkpoint {path}: {why}; free space or choose another --out") from error


def load(path: Path, expected: dict[str, str]) -> dict[str, Any] | None:
    """The newest whole checkpoint at ``path`` whose fields agree with ``expected``, or None.

    A torn or foreign file is passed over for the one before; nothing is ever unpickled beyond plain tensors and
    containers (``weights_only=True``).
    """
    for candidate in (path, _previous(path)):
        state = _read(candidate)
        if state is not None and all(state.get(key) == value for key, value in expected.items()):
            return state
    return None


def discard(path: Path) -> None:
    """Remove the checkpoint and the one before, once a run's results are safely stored."""
    path.unlink(missing_ok=True)
    _previous(path).unlink(missing_ok=True)


def _previous(path: Path) -> Path:
    return path.with_suffix(".previous")


def _read(path: Path) -> dict[str, Any] | None:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, pickle.UnpicklingError, EOFError):
        return None
    return state if isinstance(state, dict) and state.get("format") == FORMAT else None
