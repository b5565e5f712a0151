"""Measure one training step on random input: its FLOPs, its memory, its seconds."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch.autograd.graph import saved_tensors_hooks

from dta_bench.cost.counters import FlopCounter, SavedBytes
from dta_bench.cost.step import BatchShape, ConfiguredMethod, Step, build_step, build_steps
from dta_bench.nn.meta_device import try_meta_then_cpu
from dta_bench.nn.network import Network

Count = TypeVar("Count")

CountStep = Callable[[Network, ConfiguredMethod, BatchShape], int]
"""Counts something of one step of a method on a network: its FLOPs, or the bytes that it keeps."""


def on_meta_or_cpu(
    count: Callable[[Network, ConfiguredMethod, BatchShape], Count],
    meta_net: Network,
    build: Callable[[], Network],
    configured: ConfiguredMethod,
    shape: BatchShape,
) -> Count:
    """Count something of a step on the meta device; of a step that fails there, on the CPU, where it is computed.

    Args:
        count: :func:`flops`, :func:`flops_by_operator`, :func:`saved_bytes` or ``peak_memory.peak_bytes``; the device
            changes nothing in what they count.
        build: builds the same network on the CPU; only called where the meta device fails.
    """
    return try_meta_then_cpu(lambda: count(meta_net, configured, shape), lambda: count(build(), configured, shape))


def flops(meta_net: Network, configured: ConfiguredMethod, shape: BatchShape) -> int:
    """Count the floating-point operations of the matrix products and convolutions of one step.

    Args:
        meta_net: a network on the meta device, where tensors have a shape and no values: nothing is computed.
    """
    return flops_by_operator(meta_net, configured, shape).total()


def flops_by_operator(meta_net: Network, configured: ConfiguredMethod, shape: BatchShape) -> Counter[str]:
    """Count as :func:`flops`, by the operator's name, such as ``aten.convolution_backward``."""
    counter, take_step = FlopCounter(), build_step(meta_net, configured, shape)
    with counter:
        take_step()
    return counter.by_operator


def saved_bytes(meta_net: Network, configured: ConfiguredMethod, shape: BatchShape) -> int:
    """Return the peak of the bytes that autograd keeps during one step; ``meta_net`` is on the meta device."""
    saved, take_step = SavedBytes(), build_step(meta_net, configured, shape)
    with saved_tensors_hooks(saved.keep, lambda held: held.tensor):
        take_step()
    return saved.peak


def allocated_bytes(net: Network, configured: ConfiguredMethod, shape: BatchShape, device: torch.device) -> int:
    """Return the peak of the bytes that torch has allocated on a CUDA device during one step."""
    take_step = build_step(net, configured, shape)
    torch.cuda.reset_peak_memory_stats(device)
    take_step()
    return torch.cuda.max_memory_allocated(device)


def step_seconds(
    net: Network, methods: Sequence[ConfiguredMethod], shape: BatchShape, device: torch.device, rounds: int
) -> list[list[float]]:
    """Time a step of each method in turn; no weight moves.

    Args:
        rounds: how often every step is timed; one more round comes first and is not timed.

    Returns:
        Seconds, one list of ``rounds`` values for each method.
    """
    steps = build_steps(net, methods, shape, device)

    def seconds(take_step: Step) -> float:
        _synchronize(device)
        started = time.perf_counter()
        take_step()
        _synchronize(device)
        return time.perf_counter() - started

    table = [[seconds(take_step) for take_step in steps] for _ in range(rounds + 1)][1:]
    return [list(column) for column in zip(*table, strict=True)]


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
