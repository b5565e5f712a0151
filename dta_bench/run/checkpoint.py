"""A run's checkpoint: what it holds, written whole or not at all, and read without running code from it."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from dta_bench.errors import UserError
from dta_bench.nn import distributed

if TYPE_CHECKING:
    from dta_bench.run.train import Run

FORMAT = 1


def save_run(run: Run, seconds: float) -> None:
    """Save the position of a run in its checkpoint, if it has one; of several replicas, the first writes.

    Args:
        seconds: how long the run has trained so far.
    """
    path, device = run.placement.checkpoint, run.placement.device
    if path is None:
        return
    random, on_cuda = distributed.gather(torch.get_rng_state(), device), device.type == "cuda"
    random_cuda = distributed.gather(torch.cuda.get_rng_state(device), device) if on_cuda else None
    state = dict(run.resolved.fingerprints) | {
        "run_id": run.spec.id, "epoch": run.epoch, "step": run.step, "sums": run.sums, "best": run.best,
        "seconds": seconds, "measuring_seconds": run.measuring_seconds, "learner": run.learner.position(),
        "asked": run.subset_queries, "random": random, "random_cuda": random_cuda,
    }  # fmt: skip
    if not distributed.rank():
        save(path, state)
    distributed.any_replica(False, device)  # no replica goes on or ends before the checkpoint is written


def resume_run(run: Run) -> None:
    """Put a run at the position of its checkpoint, if there is one of this run with the same data, code and weights."""
    path = run.placement.checkpoint
    state = load(path, {"run_id": run.spec.id} | dict(run.resolved.fingerprints)) if path else None
    if state is None:
        return
    run.learner.restore(state["learner"])
    run.epoch, run.step, run.sums = state["epoch"], state["step"], state["sums"]
    run.best, run.subset_queries = state["best"], state["asked"]
    run.seconds, run.measuring_seconds = state["seconds"], state["measuring_seconds"]
    torch.set_rng_state(state["random"][distributed.rank()])
    if state["random_cuda"] is not None:
        torch.cuda.set_rng_state(state["random_cuda"][distributed.rank()], run.placement.device)


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint at ``path``, whole or not at all.

    The checkpoint before it stays beside it, with the suffix ``.previous``.

    Args:
        state: tensors, numbers, strings and containers of them.

    Raises:
        UserError: the folder cannot be written (permissions, full disk).
    """
    unfinished = path.with_suffix(".writing")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with unfinished.open("wb") as file:
            torch.save(state | {"format": FORMAT}, file)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            path.replace(_previous(path))
        unfinished.replace(path)
    except (OSError, RuntimeError) as error:  # torch reports a failed write as RuntimeError, its cause as context
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
    return path.with_suffix(".previous")


def _read(path: Path) -> dict[str, Any] | None:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, pickle.UnpicklingError, EOFError):
        return None
    return state if isinstance(state, dict) and state.get("format") == FORMAT else None
