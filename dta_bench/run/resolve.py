"""Everything that a run's names stand for, looked up once: benchmark, method, backbone, data and fingerprints."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dta_bench.data import load
from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.domains.images import Splits
from dta_bench.nn import pretrained
from dta_bench.nn.pretrained import BackbonePlugin
from dta_bench.nn.tuning import tuned
from dta_bench.run import fingerprint
from dta_bench.spec import on_features
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.method_plugin import MethodPlugin, method_plugin
from dta_bench.spec.run_spec import RunSpec


@dataclass(frozen=True)
class Resolved:
    """A run with the objects that the names in its spec stand for.

    Attributes:
        benchmark: as its file states it; a run trains on ``benchmark.for_training(spec.training)``.
        params: the method's ``Params``.
        splits: the five sets of the run.
        fingerprints: of data, code and pretrained weights, by the names of their MLflow tags.
        first_stage: the run of another method that this one starts from, on the same data; None for a method of one
            stage.
    """

    spec: RunSpec
    benchmark: Benchmark
    method: MethodPlugin
    params: Any
    backbone: BackbonePlugin
    splits: Splits
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    first_stage: Resolved | None = None


def resolve(spec: RunSpec, root: str, skip_unreadable: bool = False) -> Resolved:
    """Look up what a run's names stand for, and load its data.

    Args:
        root: where data lie.
        skip_unreadable: leave images out that cannot be read.

    Raises:
        UserError: no such plug-in, or the data are missing or unsound.
    """
    benchmark, method = benchmark_of(spec.benchmark), method_plugin(spec.method)
    splits = load.splits_of(spec, benchmark.for_training(spec.training), method, root, skip_unreadable)
    return resolve_on(spec, benchmark, splits, fingerprint.fingerprints(spec, root, skip_unreadable))


def resolve_on(
    spec: RunSpec, benchmark: Benchmark, splits: Splits, fingerprints: Mapping[str, str] | None = None
) -> Resolved:
    """Look up what a run's names stand for, on sets that are already loaded.

    Args:
        fingerprints: of the run, and of its first stage too; None leaves them out (in tests).

    Raises:
        UserError: no such plug-in, or a parameter that the method refuses.
    """
    method, first_stage = method_plugin(spec.method), None
    on_features.check(spec, method)
    if (before := method.before(spec.params)) is not None:
        budget = None if spec.budget is None else spec.budget.of_first_stage()
        first_spec = dataclasses.replace(spec, method=before[0].name, params=before[1], budget=budget)
        first_stage = resolve_on(first_spec, benchmark, splits, fingerprints)
    backbone = tuned(
        pretrained.backbone(spec.backbone, benchmark.for_training(spec.training).train_size), spec.training
    )
    params = method.params(spec.params)
    return Resolved(spec, benchmark, method, params, backbone, splits, fingerprints or {}, first_stage)
