"""Where a step's time goes, by kind of operator, and why its ratio to another step is not the ratio of their FLOPs.

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
    """Seconds of each step by kind of operator, the sum of ``rounds``; the steps take turns, after one uncounted round.

    An operator's time is its own, without what it calls; on a GPU that of its kernels.
    """
    for step in steps:
        step()
    found: list[ByKind] = [{} for _ in steps]
    for _ in range(rounds):
        for step, sums in zip(steps, found, strict=True):
            _add(sums, step, device)
    return found


def _add(sums: ByKind, step: Step, device: torch.device) -> None:
    cuda = device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]
    with torch.profiler.profile(activities=activities) as profiler:
        step()
    for event in profiler.key_averages():
        own = event.self_device_time_total if cuda else event.self_cpu_time_total
        kind = kind_of(event.key)
        sums[kind] = sums.get(kind, 0.0) + own / 1e6


def kind_of(operator: str) -> str:
    """The kind of an operator such as ``aten::native_batch_norm``."""
    return next((kind for kind, pattern in KINDS.items() if re.search(pattern, operator)), REST)


@dataclass(frozen=True)
class Part:
    """One kind of operator in a step, against the same kind in the step that it is compared with.

    ``share`` is the kind's part of the other step's time, ``time_ratio`` and ``flops_ratio`` are this step's multiples
    of it (None where the other has none), ``gap`` is what the kind adds to the difference of the whole step's ratios.
    """

    kind: str
    share: float
    time_ratio: float | None
    flops_ratio: float | None
    gap: float


def gap(seconds: ByKind, other_seconds: ByKind, flops: Mapping[str, int], other_flops: Mapping[str, int]) -> list[Part]:
    """The parts, largest share first; their gaps add up to (ratio of times) - (ratio of FLOPs) of the whole step.

    A kind's gap is (its seconds - r times its seconds in the other step) / the other step's seconds, where r is the
    ratio of the FLOPs of the whole steps: what it takes beyond its due.
    """
    whole, due = sum(other_seconds.values()), sum(flops.values()) / sum(other_flops.values())
    parts = [
        Part(
            kind=kind,
            share=other_seconds.get(kind, 0.0) / whole,
            time_ratio=_ratio(seconds.get(kind, 0.0), other_seconds.get(kind, 0.0)),
            flops_ratio=_ratio(flops.get(kind, 0), other_flops.get(kind, 0)),
            gap=(seconds.get(kind, 0.0) - due * other_seconds.get(kind, 0.0)) / whole,
        )
        for kind in {**other_seconds, **seconds}
    ]
    return sorted(parts, key=lambda part: -part.share)


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
