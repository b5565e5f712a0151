"""Copies of a network: frozen, drawn anew, or following its weights (an exponential moving average, EMA)."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from dta_bench.nn.network import frozen_statistics

Module = TypeVar("Module", bound=nn.Module)


def frozen(module: Module) -> Module:
    """A copy whose weights ask for no gradient and so are in no optimiser."""
    return copy.deepcopy(module).requires_grad_(False)


def redrawn(module: Module) -> Module:
    """A copy with fresh weights, where its layers know how to draw them (``reset_parameters``)."""
    other = copy.deepcopy(module)
    for layer in other.modules():
        if callable(reset := getattr(layer, "reset_parameters", None)):
            reset()
    return other


@torch.no_grad()
def follow(teacher: nn.Module, student: nn.Module, keep: float, *, buffers: bool = False) -> None:
    """theta' <- keep theta' + (1 - keep) theta, for parameters; buffers are left alone, or taken over as they are."""
    for old, new in zip(teacher.parameters(), student.parameters(), strict=True):
        old.lerp_(new, 1 - keep)
    if buffers:
        for kept, fresh in zip(teacher.buffers(), student.buffers(), strict=True):
            kept.copy_(fresh)


def warmed_up(keep: float, iteration: int) -> float:
    """min(1 - 1 / (i + 1), keep) at iteration i: the mean of the first weights, then the moving average."""
    return min(1 - 1 / (iteration + 1), keep)


@contextmanager
def steady(module: nn.Module) -> Iterator[None]:
    """Within the block all is as in evaluation (no dropout), but BatchNorm normalises by the batch, untracked."""
    before = [(layer, layer.training) for layer in module.modules()]
    module.eval()
    for layer, _ in before:
        if isinstance(layer, _BatchNorm):
            layer.train()
    try:
        with frozen_statistics(module):
            yield
    finally:
        for layer, training in before:
            layer.training = training
