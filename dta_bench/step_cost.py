"""What a step of a run does, in FLOPs counted on the meta device, where nothing is computed."""

from __future__ import annotations

import copy
import functools
from typing import Any

import torch
from pydantic import TypeAdapter

from dta_bench import plugins, pretrained, profile
from dta_bench.errors import UserError
from dta_bench.experiment import RunSpec
from dta_bench.profile import SOURCE_ONLY, Batch, Case

_COUNTED: dict[tuple[Any, ...], float] = {}


def flops_ratio(spec: RunSpec) -> float:
    """FLOPs of a step after every ramp, in source-only steps on the same backbone.

    They depend on which terms are on, on names and whole numbers (repeats, widths), not on weights: runs that differ in
    weights alone are counted once.

    Raises:
        UserError: the method fails on a batch of random images.
    """
    # A kept run may tell a whole number as a float.
    method = plugins.load("method", spec.method)
    params = TypeAdapter(method.Params).validate_python(spec.params)
    switches = ((name, bool(value) if isinstance(value, float) else value) for name, value in vars(params).items())
    key = (spec.method, spec.benchmark, spec.backbone, *sorted(switches))
    if key not in _COUNTED:
        _COUNTED[key] = _count(spec, params)
    return _COUNTED[key]


@functools.cache
def flops_an_image(benchmark: str, backbone: str) -> float:
    """FLOPs of a source-only step for each source image."""
    net, batch = _twin(benchmark, backbone)
    return profile.flops(net, SOURCE_ONLY, batch) / batch.size


def _count(spec: RunSpec, params: Any) -> float:
    module = plugins.load("method", spec.method)
    net, batch = _twin(spec.benchmark, spec.backbone)
    try:
        # A copy, for a method may leave weights without a gradient (SHOT's classifier).
        flops = profile.flops(copy.deepcopy(net), Case(spec.method, module, params), batch)
    except Exception as error:  # a user's method may do anything
        raise UserError(f"a step of {spec.method} fails: {type(error).__name__}: {error}") from error
    return flops / batch.size / flops_an_image(spec.benchmark, spec.backbone)


@functools.cache
def _twin(benchmark: str, backbone: str) -> tuple[Any, Batch]:
    """The network on the meta device and the smallest batch for it."""
    defined = plugins.load("benchmark", benchmark).BENCHMARK
    found = pretrained.backbone(backbone, defined.image_size)
    with torch.device("meta"):
        net = found.build(len(defined.classes))
    return net, Batch(defined.task, len(defined.classes), 2, found.channels, defined.image_size)
