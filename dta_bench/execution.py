"""One RunSpec trained and tracked: what a worker does, with or without Ray around it."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from dta_bench import checkpoint, plugins, pretrained, provenance, training, validation
from dta_bench.domains import Benchmark, Domains, Splits
from dta_bench.errors import Diverged
from dta_bench.experiment import LabelSubset, RunResult, RunSpec
from dta_bench.tracking import RunLog, Tracker


@dataclass(frozen=True)
class Home:
    """Where data lies, where runs and reports go, and where runs are tracked; plain strings, fit to cross processes."""

    root: str
    out: str
    tracking_uri: str

    def checkpoint(self, run_id: str) -> Path:
        """The checkpoint of a run that is not finished."""
        return Path(self.out) / "runs" / f"{run_id}.pt"

    def tracker(self) -> Tracker:
        """A connection to the tracking store."""
        return Tracker(self.tracking_uri, Path(self.out))


@dataclass(frozen=True)
class Outcome:
    """How a run ended. ``score`` is its headline metric on the labelled target subset, in percent."""

    status: Literal["done", "failed", "stopped"]
    score: float = 0.0
    reason: str = ""
    result: RunResult | None = None


@dataclass(frozen=True)
class Label:
    """What the tracker shows of a run beside its spec: its parent sweep, its name, and its inert parameters."""

    parent: str | None
    name: str
    inert: frozenset[str] = field(default_factory=frozenset)


@functools.lru_cache(maxsize=2)
def domains(benchmark: str, root: str) -> Domains:
    """A benchmark's data, loaded once a process."""
    loaded: Domains = plugins.load("benchmark", benchmark).load(Path(root))
    return loaded


def benchmark_of(name: str) -> Benchmark:
    """The definition of a benchmark; needs no data."""
    found: Benchmark = plugins.load("benchmark", name).BENCHMARK
    return found


def site_units(benchmark: str, backbone: str) -> dict[str, int]:
    """How many units CAdD (``delta_c``) and EAdD (``delta_e``) choose among in this network; computes nothing."""
    import torch

    defined = benchmark_of(benchmark)
    found = pretrained.backbone(backbone, defined.image_size)
    network = found.build(len(defined.classes)).to("meta").eval()
    with torch.no_grad():
        features = network.features(torch.empty(1, found.channels, *defined.image_size, device="meta"))
        hidden = network.hidden(features)
    return {
        "delta_c": features.activation.shape[network.feature_axis],
        "delta_e": hidden.shape[network.hidden_axis],
    }


def splits_of(spec: RunSpec, root: str) -> Splits:
    """The five sets of a run; ``target_only`` is given the labelled target train as its source."""
    return splits(spec.benchmark, root, spec.label_subset, plugins.load("method", spec.method))


def splits(benchmark: str, root: str, subset: LabelSubset, method: Any) -> Splits:
    """As :func:`splits_of`, from the parts of a spec that decide it."""
    loaded = domains(benchmark, root)
    if getattr(method, "uses_target_labels", False):
        return validation.split_supervised(loaded, subset)
    return validation.split(loaded, subset)


def fingerprints(spec: RunSpec, root: str) -> dict[str, str]:
    """Data, code and weights of a run, by which a finished run is recognised as still valid."""
    marks = {
        "data_fingerprint": domains(spec.benchmark, root).fingerprint,
        "code_fingerprint": provenance.code_fingerprint(spec),
    }
    return marks if spec.weights == "none" else marks | {"weights_fingerprint": weights_fingerprint(spec)}


def weights_fingerprint(spec: RunSpec) -> str:
    """The file of weights that a run starts from, as a SHA-256 of 12 digits; ``none`` for random weights."""
    defined = benchmark_of(spec.benchmark)
    found = pretrained.backbone(spec.backbone, defined.image_size)
    return pretrained.weights_fingerprint(found, len(defined.classes), spec.weights)


def execute(
    spec: RunSpec, home: Home, label: Label, stop: training.Stop, on_epoch: Callable[[int, dict[str, float]], None]
) -> Outcome:
    """Train ``spec`` and put everything it says on its tracked run.

    A run that diverges is marked failed with its reason; one that is stopped keeps its checkpoint.
    """
    benchmark, found = benchmark_of(spec.benchmark), splits_of(spec, home.root)
    marks = fingerprints(spec, home.root)
    kept = home.checkpoint(spec.id)
    place = dataclasses.replace(training.Place(), checkpoint=kept, fingerprints=marks, stop=stop)
    facts = marks | {
        "commit": provenance.commit(),
        "device": str(place.device),
        "subset_hash": found.subset_hash,
        "versions": " ".join(f"{k}={v}" for k, v in provenance.versions().items()),
    }
    log = home.tracker().open_run(spec, label.parent, label.name, set(label.inert), facts)

    def each_epoch(epoch: int, metrics: dict[str, float]) -> None:
        log.log_epoch(epoch, metrics)
        on_epoch(epoch, metrics)

    return _finish(spec, benchmark, found, place, log, each_epoch)


def _finish(
    spec: RunSpec, benchmark: Benchmark, found: Splits, place: training.Place, log: RunLog, each_epoch: training.OnEpoch
) -> Outcome:
    try:
        finished = training.train(spec, benchmark, found, place, each_epoch)
    except Diverged as error:
        log.fail(str(error))
        return Outcome("failed", reason=str(error))
    except training.Stopped as error:
        log.kill()
        return Outcome("stopped", reason=str(error))
    log.finish(finished.result, finished.arrays, finished.confusion, benchmark.classes)
    if place.checkpoint is not None:
        checkpoint.discard(place.checkpoint)
    return Outcome("done", getattr(finished.result.validation, benchmark.headline) or 0.0, result=finished.result)
