"""Profile the steps of several methods on one network: a row each of FLOPs, time, images a second and memory.

Ratios are multiples of a source-only step: one forward and backward on the source batch, and the optimiser's step.
"""

from __future__ import annotations

import copy
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict

import torch

from dta_bench.cost.measure import CountStep, allocated_bytes, flops, on_meta_or_cpu, saved_bytes, step_seconds
from dta_bench.cost.step import SOURCE_ONLY, BatchShape, ConfiguredMethod, without_and_with_vat
from dta_bench.nn.network import Network
from dta_bench.nn.pretrained import BackbonePlugin
from dta_bench.spec.method_plugin import MethodPlugin

MEMORY = {
    "cpu": "peak of what autograd keeps for the backward pass",
    "cuda": "peak of all memory that torch has allocated, weights and gradients included",
}
"""What ``peak_memory_mib`` is, by type of device."""

SWITCHES: dict[str, dict[str, float]] = {
    "f_dta": {"delta_c": 0.0},
    "c_dta": {"delta_e": 0.0},
    "vat": {"lambda_3": 0.0},
    "source_consistency": {"source_consistency": 0.0},
}
"""The parameter that turns a term off, and with it the cost of that term."""


class Row(TypedDict):
    """One method, with or without VAT.

    Attributes:
        flops_ratio: FLOPs of a step, in source-only steps.
        floor: the least ratio of FLOPs that the method's definition needs, where its file states one.
        above_floor: what the method needs beyond its floor, in the words of its file.
        time_ratio: time of a step, in source-only steps; the median over rounds.
        images_per_second: source images, each with its target image.
        peak_memory_mib: see :data:`MEMORY`.
        shares: each term's part of the FLOPs, from 0 to 1.
    """

    method: str
    vat: bool
    flops_ratio: float
    floor: float | None
    above_floor: str
    time_ratio: float
    images_per_second: float
    peak_memory_mib: float
    shares: dict[str, float]


def profile(
    backbone: BackbonePlugin,
    methods: Sequence[MethodPlugin],
    params: Mapping[str, Mapping[str, Any]],
    *,
    classes: int,
    batch: int,
    image_size: tuple[int, int],
    device: torch.device,
    rounds: int = 5,
) -> list[Row]:
    """Measure source-only, and each method without and with VAT.

    Args:
        backbone: what builds the network, with its task and channels.
        params: each method's parameters where they differ from its defaults, by the method's name.
        batch: images of each domain; at least 2, for BatchNorm.
        image_size: height and width in pixels.
        rounds: each round times every row once, one after the other, so that a noisy machine is noisy to all alike.

    Returns:
        The row of source-only, then one or two rows for each method.
    """
    net = backbone.build(classes).to(device)
    count = _Counts(net)
    shape = BatchShape(backbone.task, classes, batch, backbone.channels, image_size)
    measured = [SOURCE_ONLY]
    for method in methods:
        measured += without_and_with_vat(method, params.get(method.name, {}))
    base = count.of(flops, SOURCE_ONLY, shape)
    seconds = step_seconds(net, measured, shape, device, rounds)
    ratios = [statistics.median(t / s for t, s in zip(times, seconds[0], strict=True)) for times in seconds]
    return [
        Row(
            method=configured.name,
            vat=configured.vat,
            flops_ratio=count.of(flops, configured, shape) / base,
            floor=configured.floor,
            above_floor=configured.above_floor,
            time_ratio=ratio,
            images_per_second=batch / statistics.median(times),
            peak_memory_mib=_peak_bytes(net, count, configured, shape, device) / 2**20,
            shares=shares(lambda one: count.of(flops, one, shape), configured),
        )
        for configured, times, ratio in zip(measured, seconds, ratios, strict=True)
    ]


class _Counts:
    """Counts steps of a network: on its copy on the meta device, or, where a step fails there, on the CPU."""

    def __init__(self, net: Network) -> None:
        self._net, self._meta_net = net, copy.deepcopy(net).to("meta")

    def of(self, what: CountStep, configured: ConfiguredMethod, shape: BatchShape) -> int:
        return on_meta_or_cpu(what, self._meta_net, lambda: copy.deepcopy(self._net).cpu(), configured, shape)


def _peak_bytes(
    net: Network, count: _Counts, configured: ConfiguredMethod, shape: BatchShape, device: torch.device
) -> int:
    """What :data:`MEMORY` says of the device's type."""
    if device.type == "cuda":
        return allocated_bytes(net, configured, shape, device)
    return count.of(saved_bytes, configured, shape)


def shares(count_flops: Callable[[ConfiguredMethod], int], configured: ConfiguredMethod) -> dict[str, float]:
    """Return each term's part of a step's FLOPs: what turning the term off saves.

    Args:
        count_flops: a method with its parameters → the FLOPs of its step.

    Returns:
        Parts that add up to 1; ``target`` is what is left, the clean pass over the target batch.
    """
    whole = count_flops(configured)
    parts = {"task": count_flops(SOURCE_ONLY) / whole}
    for term, switch in SWITCHES.items():
        if any(getattr(configured.params, name, 0.0) for name in switch):
            parts[term] = 1 - count_flops(configured.changed(switch)) / whole
    return parts | {"target": 1 - sum(parts.values())}
