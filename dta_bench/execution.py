"""One RunSpec trained and tracked: what a worker does, with or without Ray around it."""

from __future__ import annotations

import contextlib
import functools
import platform
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from dta_bench import (
    checkpoint,
    image_cache,
    label_check,
    network_file,
    plugins,
    prepared,
    pretrained,
    provenance,
    scenes,
    step_cost,
    training,
    unreadable,
    validation,
)
from dta_bench.domains import Benchmark, Domains, Splits
from dta_bench.errors import Diverged, UserError
from dta_bench.experiment import RunResult, RunSpec
from dta_bench.home import Home as Home  # it is named here by all who execute
from dta_bench.place import Place, Stop, Stopped
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


@functools.lru_cache(maxsize=2)
def domains(benchmark: str, root: str, skip_unreadable: bool = False) -> Domains:
    """A benchmark's data, loaded once a process."""
    loaded: Domains = plugins.load("benchmark", benchmark).load(Path(root))
    if not skip_unreadable:
        return loaded
    known = prepared.unreadable(benchmark, Path(root), loaded.fingerprint)
    return unreadable.left_out(loaded, known if known is not None else list(unreadable.find(loaded)))


def benchmark_of(name: str) -> Benchmark:
    """The definition of a benchmark; needs no data."""
    found: Benchmark = plugins.load("benchmark", name).BENCHMARK
    return found


def site_units(benchmark: Benchmark, backbone: str) -> dict[str, int]:
    """How many units CAdD (``delta_c``) and EAdD (``delta_e``) choose among in this network; computes nothing."""
    import torch

    found = pretrained.backbone(backbone, benchmark.train_size)
    network = found.build(len(benchmark.classes)).to("meta").eval()
    with torch.no_grad():
        features = network.features(torch.empty(1, found.channels, *benchmark.train_size, device="meta"))
        hidden = network.hidden(features)
    return {
        "delta_c": features.activation.shape[network.feature_axis],
        "delta_e": hidden.shape[network.hidden_axis],
    }


def splits_of(spec: RunSpec, root: str, skip_unreadable: bool = False) -> Splits:
    """The five sets of a run; ``target_only`` is given the labelled target train as its source."""
    method: Any = plugins.load("method", spec.method)
    loaded = domains(spec.benchmark, root, skip_unreadable)
    split = validation.split_supervised if getattr(method, "uses_target_labels", False) else validation.split
    return image_cache.kept(split(loaded, spec.label_subset), benchmark_of(spec.benchmark).under(spec.training))


def check_labels(benchmark: str, root: str, skip_unreadable: bool = False) -> None:
    """Look at a benchmark's label maps, which are too many to read, before a run does.

    Raises:
        UserError: some do not fit their images, or hold what is no label.
    """
    label_check.check(benchmark_of(benchmark), domains(benchmark, root, skip_unreadable))


def fingerprints(spec: RunSpec, root: str, skip_unreadable: bool = False) -> dict[str, str]:
    """Data, code and weights of a run, by which a finished run is recognised as still valid."""
    marks = {
        "data_fingerprint": domains(spec.benchmark, root, skip_unreadable).fingerprint,
        "code_fingerprint": provenance.code_fingerprint(spec),
    }
    return marks if spec.weights == "none" else marks | {"weights_fingerprint": weights_fingerprint(spec)}


def weights_fingerprint(spec: RunSpec) -> str:
    """The file of weights that a run starts from, as a SHA-256 of 12 digits; ``none`` for random weights."""
    defined = benchmark_of(spec.benchmark)
    found = pretrained.backbone(spec.backbone, defined.under(spec.training).train_size)
    return pretrained.weights_fingerprint(found, len(defined.classes), spec.weights)


def execute(
    spec: RunSpec, home: Home, label: Label, stop: Stop, on_epoch: Callable[[int, dict[str, float]], None]
) -> Outcome:
    """Train ``spec`` and put everything it says on its tracked run.

    A run that diverges, or that the user has to mend something for (an image that cannot be read), is marked failed
    with its reason; one that is stopped keeps its checkpoint.
    """
    benchmark, found = benchmark_of(spec.benchmark), splits_of(spec, home.root, home.skip_unreadable)
    place = _place(spec, home, stop)
    facts = (
        place.fingerprints
        | {
            "commit": provenance.commit(),
            "device": str(place.device),
            "host": platform.node(),
            "subset_hash": found.subset_hash,
            "versions": " ".join(f"{k}={v}" for k, v in provenance.versions().items()),
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


def assist(spec: RunSpec, home: Home, stop: Stop, on_epoch: training.OnEpoch) -> Outcome:
    """Train as a replica of a run that the first one of them executes: nothing is tracked or kept from here.

    Raises:
        Stopped: asked for by ``stop``, here or at another replica.
        UserError: an image that cannot be read.
    """
    found = splits_of(spec, home.root, home.skip_unreadable)
    try:
        training.train(spec, benchmark_of(spec.benchmark), found, _place(spec, home, stop), on_epoch)
    except Diverged as error:
        return Outcome("failed", reason=str(error), diverged=True)
    return Outcome("done")


def _place(spec: RunSpec, home: Home, stop: Stop) -> Place:
    return Place(
        checkpoint=home.checkpoint(spec.id),
        fingerprints=fingerprints(spec, home.root, home.skip_unreadable),
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
    each_epoch: training.OnEpoch, keep_network: bool,
) -> Outcome:  # fmt: skip
    try:
        finished = training.train(spec, benchmark, found, place, each_epoch)
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
        log.log_epoch(result.epochs, {"flops_ratio": step_cost.flops_ratio(spec)})
