"""BatchNorm's statistics: frozen as loaded, or estimated again on other images."""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from dta_bench.errors import UserError
from dta_bench.nn.network import Network, evaluating, part_of


class _Frozen:
    """A BatchNorm layer that is always in evaluation mode."""

    def train(self, mode: bool = True) -> Any:  # noqa: ARG002 - it never trains
        return super().train(False)  # type: ignore[misc]


@functools.cache
def _frozen_class(kind: Any) -> Any:
    return type(f"Frozen{kind.__name__}", (_Frozen, kind), {})


def layers_of(module: nn.Module) -> list[_BatchNorm]:
    """The BatchNorm layers that have running statistics."""
    return [layer for layer in module.modules() if isinstance(layer, _BatchNorm) and layer.track_running_stats]


def freeze_layer(layer: _BatchNorm) -> None:
    """Keep a layer in evaluation mode, also while its network trains."""
    kind: Any = type(layer)
    if not issubclass(kind, _Frozen):
        layer.__class__ = _frozen_class(kind)
    layer.eval()


def freeze_backbone(network: Network) -> None:
    """Let BatchNorm of the backbone normalise by the statistics that it was loaded with, also in training.

    The layers' weights train on, and so do layers that are new.
    """
    for layer in layers_of(network):
        if part_of(layer) == "backbone":
            freeze_layer(layer)


def check_has_statistics(network: nn.Module, name: str, wish: str) -> None:
    """A wish about BatchNorm's statistics means something for this network.

    Raises:
        UserError: it has no BatchNorm.
    """
    if not layers_of(network):
        raise UserError(f"{wish} is about BatchNorm, but the network {name} has none; leave it out")


def running_statistics(module: nn.Module) -> list[tuple[Tensor, Tensor]]:
    """Each buffer of the BatchNorm layers with a copy of its value, for :func:`put_back`."""
    return [(buffer, buffer.clone()) for layer in layers_of(module) for buffer in layer.buffers(recurse=False)]


def put_back(statistics: Iterable[tuple[Tensor, Tensor]]) -> None:
    """Give buffers the values that they had."""
    for buffer, value in statistics:
        buffer.copy_(value)


@torch.no_grad()
def restate_statistics(predictor: nn.Module, batches: Iterable[Tensor]) -> None:
    """Replace BatchNorm's running statistics by their mean over batches of images, with no layer's weights changed.

    Only layers that these passes reach change. A batch of one image is left out, because a layer may see a single value
    a channel in it.

    Args:
        predictor: is called with images; it is in evaluation mode but for its BatchNorm.
    """
    layers = [layer for layer in layers_of(predictor) if not isinstance(layer, _Frozen)]
    before = [(layer, layer.momentum) for layer in layers]
    with evaluating(predictor):
        for layer in layers:
            layer.train()
            layer.momentum = None  # the mean over batches
            if layer.num_batches_tracked is not None:
                layer.num_batches_tracked.zero_()
        try:
            for images in batches:
                if len(images) > 1:
                    predictor(images)
        finally:
            for layer, momentum in before:
                layer.momentum = momentum


def restated_copy(frozen: nn.Module, batches: Iterable[Tensor]) -> nn.Module:
    """A copy of a frozen part with BatchNorm's statistics estimated on batches of images; it is frozen too."""
    other = copy.deepcopy(frozen)
    restate_frozen(other, batches)
    return other


@torch.no_grad()
def restate_frozen(part: nn.Module, batches: Iterable[Tensor]) -> None:
    """Replace the statistics of frozen BatchNorm layers, as :func:`restate_statistics` does those of others.

    Args:
        part: is called with images; where it has no such layer it is not.
    """
    layers = [layer for layer in layers_of(part) if isinstance(layer, _Frozen)]
    if not layers:
        return
    before = [(layer, layer.momentum) for layer in layers]
    for layer in layers:
        layer.training, layer.momentum = True, None
        if layer.num_batches_tracked is not None:
            layer.num_batches_tracked.zero_()
    try:
        for images in batches:
            if len(images) > 1:
                part(images)
    finally:
        for layer, momentum in before:
            layer.training, layer.momentum = False, momentum
