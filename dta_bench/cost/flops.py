"""What a step of a run does, in FLOPs counted on the meta device, where nothing is computed."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from dta_bench.cost import step
from dta_bench.cost.step import SOURCE_ONLY, Batch, Case
from dta_bench.errors import UserError
from dta_bench.nn import pretrained
from dta_bench.nn.network import Network
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.method_plugin import MethodPlugin
from dta_bench.spec.run_spec import RunSpec

_COUNTED: dict[tuple[Any, ...], float] = {}
_TWINS: dict[tuple[str, str], tuple[Network, Batch]] = {}


def flops_ratio(spec: RunSpec, method: MethodPlugin, benchmark: Benchmark) -> float:
    """FLOPs of a step after every ramp, in source-only steps on the same backbone.

    They depend on which terms are on, on names and whole numbers (repeats, widths), not on weights: runs that differ in
    weights alone are counted once.

    Raises:
        UserError: the method takes other parameters today, or fails on a batch of random images.
    """
    try:
        params = method.params(spec.params)
    except ValidationError as error:
        raise UserError(f"{spec.method} does not take this run's parameters: {error.errors()[0]['msg']}") from error
    switches = ((name, bool(value) if isinstance(value, float) else value) for name, value in vars(params).items())
    key = (spec.method, spec.benchmark, spec.backbone, *sorted(switches))
    if key not in _COUNTED:
        _COUNTED[key] = _count(spec, Case(method, params), benchmark)
    return _COUNTED[key]


def flops_an_image(benchmark: Benchmark, backbone: str) -> float:
    """FLOPs of a source-only step for each source image."""
    key = (benchmark.name, backbone)
    if key not in _COUNTED:
        net, batch = twin(benchmark, backbone)
        _COUNTED[key] = step.flops(net, SOURCE_ONLY, batch) / batch.size
    return _COUNTED[key]


def _count(spec: RunSpec, case: Case, benchmark: Benchmark) -> float:
    net, batch = twin(benchmark, spec.backbone)
    try:
        flops = step.flops(net, case, batch)
    except Exception as error:  # a user's method may do anything
        raise UserError(f"a step of {spec.method} fails: {type(error).__name__}: {error}") from error
    return flops / batch.size / flops_an_image(benchmark, spec.backbone)


def twin(benchmark: Benchmark, backbone: str) -> tuple[Network, Batch]:
    """The network on the meta device and the smallest batch for it: two images a domain. Made once a process."""
    key = (benchmark.name, backbone)
    if key not in _TWINS:
        found = pretrained.backbone(backbone, benchmark.image_size)
        net = found.build_on_meta(len(benchmark.classes))
        batch = Batch(benchmark.task, len(benchmark.classes), 2, found.channels, benchmark.image_size)
        _TWINS[key] = net, batch
    return _TWINS[key]
