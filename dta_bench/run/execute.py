"""One RunSpec trained and tracked: what a worker does, with or without Ray around it."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from dta_bench.cost import flops
from dta_bench.data import load
from dta_bench.domains.benchmark import Benchmark
from dta_bench.domains.images import Splits
from dta_bench.errors import Diverged, UserError
from dta_bench.evaluation import scenes
from dta_bench.run import checkpoint, fingerprint, network_file, train
from dta_bench.run.home import Home
from dta_bench.run.placement import Place, Stop, Stopped
from dta_bench.spec.run_spec import RunResult, RunSpec
from dta_bench.tracking import RunLog

SMALL_NETWORK = 4 * 2**20  # bytes; a grid of hundreds of runs then keeps about a gigabyte


@dataclass(frozen=True)
class Outcome:
    """How a run ended. ``score`` is its headline metric on the labelled target subset, in percent.

    What ``diverged`` failed by its numbers, anything else that failed by what the user may mend.
    """

    status: Literal["done", "failed", "stopped"]
    score: float = 0.0
    reason: str = ""
    result: RunResult | None = None
    diverged: bool = False


@dataclass(frozen=True)
class Label:
    """What the tracker shows of a run beside its spec: its parent sweep, its name, and its inert parameters."""

    parent: str | None
    name: str
    inert: frozenset[str] = field(default_factory=frozenset)


def execute(
    spec: RunSpec, home: Home, label: Label, stop: Stop, on_epoch: Callable[[int, dict[str, float]], None]
) -> Outcome:
    """Train ``spec`` and put everything it says on its tracked run.

    A run that diverges, or that the user has to mend something for (an image that cannot be read), is marked failed
    with its reason; one that is stopped keeps its checkpoint.
    """
    benchmark, found = load.benchmark_of(spec.benchmark), load.splits_of(spec, home.root, home.skip_unreadable)
    place = _place(spec, home, stop)
    facts = (
        place.fingerprints
        | {
            "commit": fingerprint.commit(),
            "device": str(place.device),
            "host": platform.node(),
            "subset_hash": found.subset_hash,
            "versions": " ".join(f"{k}={v}" for k, v in fingerprint.versions().items()),
        }
        | {f"note_{about}": said for about, said in found.notes.items()}
    )
    if home.command:
        facts |= {"command": home.command}
    log = home.tracker().open_run(spec, label.parent, label.name, set(label.inert), facts)

    def each_epoch(epoch: int, metrics: dict[str, float]) -> None:
        log.log_epoch(epoch, metrics)
        on_epoch(epoch, metrics)

    return _finish(spec, benchmark, found, place, log, each_epoch, home.keep_network)


def assist(spec: RunSpec, home: Home, stop: Stop, on_epoch: train.OnEpoch) -> Outcome:
    """Train as a replica of a run that the first one of them executes: nothing is tracked or kept from here.

    Raises:
        Stopped: asked for by ``stop``, here or at another replica.
        UserError: an image that cannot be read.
    """
    found = load.splits_of(spec, home.root, home.skip_unreadable)
    try:
        train.train(spec, load.benchmark_of(spec.benchmark), found, _place(spec, home, stop), on_epoch)
    except Diverged as error:
        return Outcome("failed", reason=str(error), diverged=True)
    return Outcome("done")


def _place(spec: RunSpec, home: Home, stop: Stop) -> Place:
    return Place(
        checkpoint=home.checkpoint(spec.id),
        fingerprints=fingerprint.fingerprints(spec, home.root, home.skip_unreadable),
        stop=stop,
        workers=_loader_workers(),
    )


def _loader_workers() -> int:
    """How many processes read ahead: all of a run's cores where a GPU computes, else at most one of several."""
    import torch

    cores = torch.get_num_threads()
    return cores if torch.cuda.is_available() else min(1, cores - 1)


def _finish(
    spec: RunSpec, benchmark: Benchmark, found: Splits, place: Place, log: RunLog,
    each_epoch: train.OnEpoch, keep_network: bool,
) -> Outcome:  # fmt: skip
    try:
        finished = train.train(spec, benchmark, found, place, each_epoch)
    except Diverged as error:
        log.fail(str(error))
        return Outcome("failed", reason=str(error), diverged=True)
    except UserError as error:
        log.stop(str(error))
        return Outcome("failed", reason=str(error))
    except Stopped as error:
        log.kill()
        return Outcome("stopped", reason=str(error))
    if keep_network or network_file.size(finished.network) <= SMALL_NETWORK:
        with network_file.written(finished.network) as path:
            log.keep(path)
    if finished.scenes is not None:
        with scenes.written(finished.scenes, benchmark) as paths:
            for path in paths:
                log.keep(path, scenes.FOLDER)
    _note_cost(spec, log, finished.result)
    log.finish(finished.result, finished.arrays, finished.confusion, benchmark.classes)
    if place.checkpoint is not None:
        checkpoint.discard(place.checkpoint)
    return Outcome("done", getattr(finished.result.validation, benchmark.headline) or 0.0, result=finished.result)


def _note_cost(spec: RunSpec, log: RunLog, result: RunResult) -> None:
    """What a step cost beside source-only's, for the report to say; a method that cannot be counted goes without."""
    with contextlib.suppress(UserError):
        log.log_epoch(result.epochs, {"flops_ratio": flops.flops_ratio(spec)})
