"""One RunSpec trained and tracked: what a worker does, with or without Ray around it."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from dta_bench.cost import flops
from dta_bench.errors import Diverged, UserError
from dta_bench.evaluation import scenes
from dta_bench.run import checkpoint, fingerprint, network_file, train
from dta_bench.run.finish import FinishedRun
from dta_bench.run.home import Home
from dta_bench.run.placement import Placement, Stopped, StopRequest
from dta_bench.run.resolve import Resolved
from dta_bench.spec.run_spec import RunResult
from dta_bench.tracking import RunLog

SMALL_NETWORK = 4 * 2**20  # bytes; a grid of hundreds of runs then keeps about a gigabyte


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended. ``score`` is its headline metric on the labelled target subset, in percent.

    What ``diverged`` failed by its numbers, anything else that failed by what the user may mend.
    """

    status: Literal["done", "failed", "stopped"]
    score: float = 0.0
    reason: str = ""
    result: RunResult | None = None
    diverged: bool = False


@dataclass(frozen=True)
class RunLabel:
    """What the tracker shows of a run beside its spec: its parent sweep, its name, and its inert parameters."""

    parent: str | None
    name: str
    inert: frozenset[str] = field(default_factory=frozenset)


def execute(
    resolved: Resolved,
    home: Home,
    label: RunLabel,
    stop: StopRequest,
    on_epoch: Callable[[int, dict[str, float]], None],
) -> RunOutcome:
    """Train a run and put everything it says on its tracked run.

    A run that diverges, or that the user has to mend something for (an image that cannot be read), is marked failed
    with its reason; one that is stopped keeps its checkpoint.
    """
    placement = _placement(resolved, home, stop)
    facts = _facts(resolved, home, placement)
    log = home.tracker().open_run(resolved.spec, label.parent, label.name, set(label.inert), facts)

    def each_epoch(epoch: int, metrics: dict[str, float]) -> None:
        log.log_epoch(epoch, metrics)
        on_epoch(epoch, metrics)

    try:
        finished = train.train(resolved, placement, each_epoch)
    except Diverged as error:
        log.fail_diverged(str(error))
        return RunOutcome("failed", reason=str(error), diverged=True)
    except UserError as error:
        log.fail(str(error))
        return RunOutcome("failed", reason=str(error))
    except Stopped as error:
        log.interrupt()
        return RunOutcome("stopped", reason=str(error))
    _keep(resolved, finished, log, home.keep_network)
    if placement.checkpoint is not None:
        checkpoint.discard(placement.checkpoint)
    score = getattr(finished.result.validation, resolved.benchmark.headline) or 0.0
    return RunOutcome("done", score, result=finished.result)


def execute_as_replica(resolved: Resolved, home: Home, stop: StopRequest, on_epoch: train.OnEpoch) -> RunOutcome:
    """Train as a replica of a run that the first one of them executes: nothing is tracked or kept from here.

    Raises:
        Stopped: ``stop`` was set, here or at another replica.
        UserError: an image that cannot be read.
    """
    try:
        train.train(resolved, _placement(resolved, home, stop), on_epoch)
    except Diverged as error:
        return RunOutcome("failed", reason=str(error), diverged=True)
    return RunOutcome("done")


def _facts(resolved: Resolved, home: Home, placement: Placement) -> dict[str, str]:
    """What a run's numbers depend on beside its spec, as tags of its tracked run."""
    found = dict(resolved.fingerprints) | {
        "commit": fingerprint.commit(),
        "device": str(placement.device),
        "host": platform.node(),
        "subset_hash": resolved.splits.subset_hash,
        "versions": " ".join(f"{k}={v}" for k, v in fingerprint.versions().items()),
    }
    found |= {f"note_{about}": note for about, note in resolved.splits.notes.items()}
    return found | ({"command": home.command} if home.command else {})


def _placement(resolved: Resolved, home: Home, stop: StopRequest) -> Placement:
    return Placement(checkpoint=home.checkpoint(resolved.spec.id), stop=stop, workers=_loader_workers())


def _loader_workers() -> int:
    """How many processes read ahead: all of a run's cores where a GPU computes, else at most one of several."""
    import torch

    cores = torch.get_num_threads()
    return cores if torch.cuda.is_available() else min(1, cores - 1)


def _keep(resolved: Resolved, finished: FinishedRun, log: RunLog, keep_network: bool) -> None:
    """Put a finished run's results on its tracked run: its network if it is small, pictures, cost, scores, arrays."""
    if keep_network or network_file.size_in_bytes(finished.network) <= SMALL_NETWORK:
        with network_file.temporary_file(finished.network) as path:
            log.add_file(path)
    if finished.scenes is not None:
        with scenes.temporary_files(finished.scenes, resolved.benchmark) as paths:
            for path in paths:
                log.add_file(path, scenes.FOLDER)
    with contextlib.suppress(UserError):  # a method that cannot be counted goes without
        ratio = flops.flops_ratio(resolved.spec, resolved.method, resolved.benchmark)
        log.log_epoch(finished.result.epochs, {"flops_ratio": ratio})
    log.finish(finished.result, finished.arrays, finished.confusion, resolved.benchmark.classes)
