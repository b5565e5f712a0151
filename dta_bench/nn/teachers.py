"""Copies of a network: with frozen weights, with new random weights, or updated as a moving average of a student."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import nn

from dta_bench.nn.network import Network, part_of

Module = TypeVar("Module", bound=nn.Module)


def frozen_copy(module: Module) -> Module:
    """A copy whose weights need no gradient, so that no optimiser gets them."""
    return copy.deepcopy(module).requires_grad_(False)


def reinitialised_copy(module: Module, *, head_only: bool = False) -> Module:
    """A copy with new random weights in every layer that has ``reset_parameters``; other layers keep their weights.

    A frozen body keeps its weights too.

    Args:
        module: a network or a part of it.
        head_only: only the layers of a network's head are drawn anew, which no pretrained weights fill.
    """
    other = copy.deepcopy(module)
    frozen = {*other.body.modules()} if isinstance(other, Network) and other.input_is_fixed else set()
    for layer in other.modules():
        if layer in frozen:
            continue
        if callable(reset := getattr(layer, "reset_parameters", None)) and (not head_only or part_of(layer) == "head"):
            reset()
    return other


@torch.no_grad()
def update_moving_average(teacher: nn.Module, student: nn.Module, decay: float, *, buffers: bool = False) -> None:
    """Update a teacher in place as the exponential moving average of its student: t <- decay t + (1 - decay) s.

    Args:
        decay: between 0 (the teacher becomes the student) and 1 (the teacher does not change).
        buffers: copy the student's buffers (BatchNorm's running statistics) too; by default the teacher keeps its own.
    """
    for old, new in zip(teacher.parameters(), student.parameters(), strict=True):
        old.lerp_(new, 1 - decay)
    if buffers:
        for own, student_buffer in zip(teacher.buffers(), student.buffers(), strict=True):
            own.copy_(student_buffer)


def warmed_up_decay(decay: float, iteration: int) -> float:
    """The decay of a moving average at an iteration (from 0): min(1 - 1 / (iteration + 1), ``decay``).

    With 1 - 1 / (i + 1) the teacher is the plain mean of the weights so far; at iteration 0 it becomes the student.
    """
    return min(1 - 1 / (iteration + 1), decay)
