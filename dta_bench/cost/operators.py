"""A step's time by kind of operator, and why the ratio of two steps' times is not the ratio of their FLOPs.

FLOPs count convolutions and matrix products alone. Time goes to BatchNorm, ReLU and sums as well, which move bytes, and
a convolution's forward and backward passes do not run at one speed; a step that has more of one kind than of another
parts from its FLOPs by just that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch.profiler import ProfilerActivity

Step = Callable[[], object]
ByKind = dict[str, float]

KINDS = {
    "convolution, backward": r"convolution_backward|conv\w*_backward",
    "convolution, forward": r"convolution|conv\d",
    "matrix product": r"\b(addmm|mm|bmm|baddbmm|linear)\b|_efficient_attention|_flash_attention",
    "BatchNorm": r"batch_norm",
    "ReLU": r"clamp_min|relu|threshold",
    "sums and products": r"\b(add|sub|mul|div|sum|mean|neg|addcmul|lerp)_?\b",
    "optimiser": r"_fused_|_foreach_",
}
"""Kinds of operators, by what their names contain; the first that fits."""

REST = "other"


def seconds_by_kind(steps: Sequence[Step], rounds: int, device: torch.device) -> list[ByKind]:
    """Trace each step and add up its seconds by kind of operator.

    An operator's time is its own, without what it calls; on a GPU that of its kernels.

    Args:
        rounds: how often each step is traced, in turn with the others, after one round that does not count.

    Returns:
        For each step, kind → seconds, the sum over ``rounds``.
    """
    for step in steps:
        step()
    sums_of_steps: list[ByKind] = [{} for _ in steps]
    for _ in range(rounds):
        for step, sums in zip(steps, sums_of_steps, strict=True):
            _add_traced(sums, step, device)
    return sums_of_steps


def _add_traced(sums: ByKind, step: Step, device: torch.device) -> None:
    cuda = device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]
    with torch.profiler.profile(activities=activities) as profiler:
        step()
    for event in profiler.key_averages():
        own = event.self_device_time_total if cuda else event.self_cpu_time_total
        kind = kind_of(event.key)
        sums[kind] = sums.get(kind, 0.0) + own / 1e6


def kind_of(operator: str) -> str:
    """Return the kind of an operator such as ``aten::native_batch_norm``."""
    return next((kind for kind, pattern in KINDS.items() if re.search(pattern, operator)), REST)


@dataclass(frozen=True)
class OperatorCost:
    """One kind of operator in a step, compared with the same kind in another step.

    Attributes:
        share: the kind's part of the other step's time, from 0 to 1.
        time_ratio: this step's time as a multiple of the other's; None where the other has none of the kind.
        flops_ratio: the same of FLOPs.
        gap: what the kind adds to (ratio of times) - (ratio of FLOPs) of the whole steps.
    """

    kind: str
    share: float
    time_ratio: float | None
    flops_ratio: float | None
    gap: float


def compare_steps(
    seconds: ByKind, other_seconds: ByKind, flops: Mapping[str, int], other_flops: Mapping[str, int]
) -> list[OperatorCost]:
    """Compare a step with another by kind of operator.

    A kind's gap is (its seconds - r * its seconds in the other step) / all seconds of the other step, where r is the
    ratio of the FLOPs of the whole steps.

    Returns:
        The kinds, largest share first; their gaps add up to (ratio of times) - (ratio of FLOPs) of the whole steps.
    """
    other_whole = sum(other_seconds.values())
    flops_ratio = sum(flops.values()) / sum(other_flops.values())
    parts = [
        OperatorCost(
            kind=kind,
            share=other_seconds.get(kind, 0.0) / other_whole,
            time_ratio=_ratio(seconds.get(kind, 0.0), other_seconds.get(kind, 0.0)),
            flops_ratio=_ratio(flops.get(kind, 0), other_flops.get(kind, 0)),
            gap=(seconds.get(kind, 0.0) - flops_ratio * other_seconds.get(kind, 0.0)) / other_whole,
        )
        for kind in {**other_seconds, **seconds}
    ]
    return sorted(parts, key=lambda part: -part.share)


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
