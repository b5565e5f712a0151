"""The position of a run in training, saved in its checkpoint and taken up from there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from dta_bench.nn import distributed
from dta_bench.run import checkpoint, local_checkpoint
from dta_bench.run.local_checkpoint import COPIES
from dta_bench.run.placement import Placement

if TYPE_CHECKING:
    from dta_bench.run.train import Run


def save_run(run: Run, seconds: float) -> None:
    """Save the position of a run in its checkpoint, if it has one; of several replicas, the first writes.

    Args:
        seconds: how long the run has trained so far.
    """
    device = run.placement.device
    if run.placement.checkpoint is None:
        return
    random, on_cuda = distributed.gather(torch.get_rng_state(), device), device.type == "cuda"
    random_cuda = distributed.gather(torch.cuda.get_rng_state(device), device) if on_cuda else None
    state = dict(run.resolved.fingerprints) | {
        "run_id": run.spec.id, "epoch": run.epoch, "step": run.step, "sums": run.sums, "best": run.best,
        "seconds": seconds, "measuring_seconds": run.measuring_seconds, "learner": run.learner.position(),
        "asked": run.subset_queries, "random": random, "random_cuda": random_cuda,
    }  # fmt: skip
    if not distributed.rank():
        _save(run.placement, run.placement.checkpoint, state)
    distributed.any_replica(False, device)  # no replica goes on or ends before the checkpoint is written


def _save(placement: Placement, shared: Path, state: dict[str, Any]) -> None:
    local = _local(placement)
    checkpoint.save(local or shared, state)
    if local is not None:
        COPIES.saved(local, shared, placement.stop.requested)


def resume_run(run: Run) -> None:
    """Put a run at the position of its checkpoint, if there is one of this run with the same data, code and weights.

    Of one on the machine's own disk and one on shared storage, that which is further is taken.
    """
    expected = {"run_id": run.spec.id} | dict(run.resolved.fingerprints)
    found = [checkpoint.load(path, expected) for path in (_local(run.placement), run.placement.checkpoint) if path]
    state = max(filter(None, found), key=lambda one: (one["epoch"], one["step"]), default=None)
    if state is None:
        return
    run.learner.restore(state["learner"])
    run.epoch, run.step, run.sums = state["epoch"], state["step"], state["sums"]
    run.best, run.subset_queries = state["best"], state["asked"]
    run.seconds, run.measuring_seconds = state["seconds"], state["measuring_seconds"]
    torch.set_rng_state(state["random"][distributed.rank()])
    if state["random_cuda"] is not None:
        torch.cuda.set_rng_state(state["random_cuda"][distributed.rank()], run.placement.device)


def discard(placement: Placement) -> None:
    """Remove the checkpoint of a run that has ended, if it has one."""
    if placement.checkpoint is None:
        return
    if (local := _local(placement)) is not None:
        COPIES.discard(local, placement.checkpoint)
    checkpoint.discard(placement.checkpoint)


def _local(placement: Placement) -> Path | None:
    """The checkpoint on the machine's own disk; None for a run of several replicas, which all read one file."""
    if placement.own_disk is None or placement.checkpoint is None or distributed.replica_count() > 1:
        return None
    return local_checkpoint.file_for(placement.checkpoint, placement.own_disk)
