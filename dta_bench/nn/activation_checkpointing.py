"""Activation checkpointing: blocks store only their inputs and are computed again in the backward pass.

The numbers are those of a plain pass: dropout draws are repeated, and BatchNorm's running statistics are updated once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

CONTAINERS = (nn.Sequential, nn.ModuleList)


class _Recomputed:
    """Mixed into a block's class. A wrapped ``forward`` of the instance would be bound to the original's weights, also
    in a copy of the network."""

    def forward(self, *inputs: Any, **named: Any) -> Any:
        assert isinstance(self, nn.Module)
        plain = super().forward  # type: ignore[misc]
        if not (self.training and torch.is_grad_enabled()):
            return plain(*inputs, **named)
        return checkpoint(plain, *inputs, use_reentrant=False, context_fn=self._contexts, **named)

    def _contexts(self) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        assert isinstance(self, nn.Module)
        return nullcontext(), _AsInFirstPass(self)


class _AsInFirstPass(AbstractContextManager[None]):
    """Within the block of code each BatchNorm tracks as in the first pass, but updates a copy of its statistics.

    It is entered once for each gradient that goes through the block: masks of dropout need one before the step's own.
    """

    def __init__(self, block: nn.Module) -> None:
        self.block = block
        self.tracked = {norm: norm.track_running_stats for norm in _batch_norms(block)}
        self.before: dict[_BatchNorm, tuple[bool, dict[str, Tensor | None]]] = {}

    def __enter__(self) -> None:
        self.before = {norm: (norm.track_running_stats, dict(norm._buffers)) for norm in _batch_norms(self.block)}
        for norm, tracks in self.tracked.items():
            norm.track_running_stats = tracks
            norm._buffers.update({k: None if b is None else b.clone() for k, b in norm._buffers.items()})

    def __exit__(self, *_: object) -> None:
        for norm, (tracks, buffers) in self.before.items():
            norm.track_running_stats = tracks
            norm._buffers.update(buffers)


def _batch_norms(block: nn.Module) -> list[_BatchNorm]:
    return [module for module in block.modules() if isinstance(module, _BatchNorm)]


def recompute_activations(network: nn.Module) -> int:
    """Make every block of ``network`` store only its inputs in training and compute its activations again.

    Evaluation, and the names in the state dict, stay as they are.

    Returns:
        How many blocks there are.
    """
    blocks = list(_blocks(network, inside=False))
    for block in blocks:
        kind = type(block)
        block.__class__ = type(f"Recomputed{kind.__name__}", (_Recomputed, kind), {})
    return len(blocks)


def _blocks(module: nn.Module, inside: bool) -> Iterator[nn.Module]:
    """The outermost modules with weights that stand in a Sequential or ModuleList: residual blocks, decoder stages."""
    children = list(module.children())
    chain = isinstance(module, CONTAINERS) and any(list(child.children()) for child in children)
    if inside and children and not chain and any(True for _ in module.parameters()):
        yield module
        return
    for child in children:
        yield from _blocks(child, inside=chain)
