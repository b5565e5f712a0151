"""What a step of a run does, in FLOPs counted on the meta device, where nothing is computed."""

from __future__ import annotations

import functools
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError

from dta_bench import plugins
from dta_bench.cost import step
from dta_bench.cost.step import SOURCE_ONLY, Batch, Case
from dta_bench.errors import UserError
from dta_bench.nn import pretrained
from dta_bench.spec.run_spec import RunSpec

_COUNTED: dict[tuple[Any, ...], float] = {}


def flops_ratio(spec: RunSpec) -> float:
    """FLOPs of a step after every ramp, in source-only steps on the same backbone.

    They depend on which terms are on, on names and whole numbers (repeats, widths), not on weights: runs that differ in
    weights alone are counted once.

    Raises:
        UserError: the method takes other parameters today, or fails on a batch of random images.
    """
    params = _params(spec)
    switches = ((name, bool(value) if isinstance(value, float) else value) for name, value in vars(params).items())
    key = (spec.method, spec.benchmark, spec.backbone, *sorted(switches))
    if key not in _COUNTED:
        _COUNTED[key] = _count(spec, params)
    return _COUNTED[key]


@functools.cache
def flops_an_image(benchmark: str, backbone: str) -> float:
    """FLOPs of a source-only step for each source image."""
    net, batch = twin(benchmark, backbone)
    return step.flops(net, SOURCE_ONLY, batch) / batch.size


def _params(spec: RunSpec) -> Any:
    """The run's parameters as its method takes them; a kept run may tell a whole number as a float."""
    method = plugins.load("method", spec.method)
    try:
        return TypeAdapter(method.Params).validate_python(spec.params)
    except ValidationError as error:
        raise UserError(f"{spec.method} does not take this run's parameters: {error.errors()[0]['msg']}") from error


def _count(spec: RunSpec, params: Any) -> float:
    module = plugins.load("method", spec.method)
    net, batch = twin(spec.benchmark, spec.backbone)
    try:
        flops = step.flops(net, Case(spec.method, module, params), batch)
    except Exception as error:  # a user's method may do anything
        raise UserError(f"a step of {spec.method} fails: {type(error).__name__}: {error}") from error
    return flops / batch.size / flops_an_image(spec.benchmark, spec.backbone)


@functools.cache
def twin(benchmark: str, backbone: str) -> tuple[Any, Batch]:
    """The network on the meta device and the smallest batch for it: two images a domain."""
    defined = plugins.load("benchmark", benchmark).BENCHMARK
    found = pretrained.backbone(backbone, defined.image_size)
    with torch.device("meta"):
        net = found.build(len(defined.classes))
    return net, Batch(defined.task, len(defined.classes), 2, found.channels, defined.image_size)
