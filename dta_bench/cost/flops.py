"""FLOPs of a run's step, counted on the meta device, where nothing is computed; where that fails, on the CPU."""

from __future__ import annotations

import functools
from typing import Any

from pydantic import ValidationError

from dta_bench.cost import measure
from dta_bench.cost.step import SOURCE_ONLY, BatchShape, ConfiguredMethod
from dta_bench.errors import UserError
from dta_bench.nn import pretrained
from dta_bench.nn.network import Network
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.method_plugin import MethodPlugin
from dta_bench.spec.run_spec import RunSpec

_FLOPS: dict[tuple[Any, ...], float] = {}
_NETWORKS: dict[tuple[Any, ...], tuple[Network, BatchShape]] = {}


def flops_ratio(spec: RunSpec, method: MethodPlugin, benchmark: Benchmark) -> float:
    """Count the FLOPs of a run's step after every ramp.

    They depend on which terms are on, on words and on whole numbers (repeats, widths), not on the terms' weights: runs
    that differ only in weights are counted once a process.

    Args:
        method: of the run.
        benchmark: of the run, as its file states it.

    Returns:
        FLOPs in source-only steps on the same backbone.

    Raises:
        UserError: the method takes other parameters today, or fails on a batch of random images.
    """
    try:
        params = method.params(spec.params)
    except ValidationError as error:
        raise UserError(f"{spec.method} does not take this run's parameters: {error.errors()[0]['msg']}") from error
    switches = ((name, bool(value) if isinstance(value, float) else value) for name, value in vars(params).items())
    key = (spec.method, spec.benchmark, benchmark.train_size, spec.backbone, *sorted(switches))
    if key not in _FLOPS:
        _FLOPS[key] = _count(spec, ConfiguredMethod(method, params), benchmark)
    return _FLOPS[key]


def flops_per_image(benchmark: Benchmark, backbone: str) -> float:
    """Return the FLOPs of a source-only step, divided by its source images."""
    key = (benchmark.name, benchmark.train_size, backbone)
    if key not in _FLOPS:
        _FLOPS[key] = _count_step(benchmark, backbone, SOURCE_ONLY)
    return _FLOPS[key]


def _count(spec: RunSpec, configured: ConfiguredMethod, benchmark: Benchmark) -> float:
    try:
        per_image = _count_step(benchmark, spec.backbone, configured)
    except UserError:
        raise
    except Exception as error:  # a user's method may do anything
        raise UserError(f"a step of {spec.method} fails: {type(error).__name__}: {error}") from error
    return per_image / flops_per_image(benchmark, spec.backbone)


def _count_step(benchmark: Benchmark, backbone: str, configured: ConfiguredMethod) -> float:
    """The FLOPs of a step for each image of a domain."""
    meta_net, shape = meta_network(benchmark, backbone)
    build = functools.partial(pretrained.backbone(backbone, benchmark.train_size).build, len(benchmark.classes))
    return measure.on_meta_or_cpu(measure.flops, meta_net, build, configured, shape) / shape.size


def meta_network(benchmark: Benchmark, backbone: str) -> tuple[Network, BatchShape]:
    """Return the network on the meta device and the smallest batch for it, two images of each domain.

    Both are made once a process.
    """
    key = (benchmark.name, benchmark.train_size, backbone)
    if key not in _NETWORKS:
        plugin = pretrained.backbone(backbone, benchmark.train_size)
        net = plugin.build_on_meta(len(benchmark.classes))
        shape = BatchShape(benchmark.task, len(benchmark.classes), 2, plugin.channels, benchmark.train_size)
        _NETWORKS[key] = net, shape
    return _NETWORKS[key]
