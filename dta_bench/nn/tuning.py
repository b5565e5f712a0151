"""Which weights of a network a run trains: all, those above a frozen part, norms and biases, or low-rank adapters."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase

from dta_bench.nn import pretrained
from dta_bench.nn.batch_norm import freeze_layer
from dta_bench.nn.lora import add_adapters
from dta_bench.nn.network import Network
from dta_bench.nn.pretrained import BackbonePlugin
from dta_bench.spec.training import Training

DROPOUT = 0.5
"""Of the bottleneck that ``neck_width`` adds: the keep rate at which EAdD masks its output."""
NORMS = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
NAMES_OF_NORMS = ("norm", "norm2d", "normfp32", "norm2dfp32")
"""How the names of other libraries' normalisation layers end, in lower case: timm's RmsNorm, SimpleNorm2d, ..."""


def tuned(backbone: BackbonePlugin, training: Training) -> BackbonePlugin:
    """The backbone whose networks train as ``training.tune`` says."""
    if training.tune == "all":
        return backbone
    return dataclasses.replace(backbone, make=lambda classes, weights: tune(backbone.make(classes, weights), training))


def tune(network: Network, training: Training) -> Network:
    """Freeze all weights but those that ``training.tune`` names.

    Raises:
        UserError: ``neck_width`` for a network that takes no bottleneck, or adapters for one without linear layers.
    """
    if training.tune == "head":
        read_prompts = network.read_prompts
        network = network if training.neck_width is None else _with_neck(network, training.neck_width)
        network.read_prompts = read_prompts
        freeze(network.body)
        network.input_is_fixed = True
    elif training.tune == "lora":
        add_adapters(network, training.lora_rank)
    elif training.tune == "norm":
        for layer in network.modules():
            for name, weight in layer.named_parameters(recurse=False):
                weight.requires_grad_(name.endswith("bias") or is_norm(layer))
    return network


def is_norm(layer: nn.Module) -> bool:
    """Whether a layer normalises: one of torch's, or one of a library whose name says so."""
    return isinstance(layer, NORMS) or type(layer).__name__.lower().endswith(NAMES_OF_NORMS)


class _FrozenPart:
    """A part of a network that is always in evaluation mode, and through which no gradient flows."""

    def train(self, mode: bool = True) -> Any:  # noqa: ARG002 - it never trains
        return super().train(False)  # type: ignore[misc]

    def forward(self, *inputs: Any) -> Any:
        with torch.no_grad():
            return super().forward(*inputs)  # type: ignore[misc]


@functools.cache
def _frozen_class(kind: Any) -> Any:
    return type(f"Frozen{kind.__name__}", (_FrozenPart, kind), {})


def freeze(part: nn.Module) -> None:
    """Keep a part of a network as it is: evaluation mode, BatchNorm by its running statistics, no gradient."""
    part.requires_grad_(False)
    for layer in part.modules():
        if isinstance(layer, _BatchNorm):
            freeze_layer(layer)
    kind: Any = type(part)
    if not issubclass(kind, _FrozenPart):
        part.__class__ = _frozen_class(kind)
    part.eval()


class _Whole(nn.Module):
    """A network up to the input of its classifier."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.body, self.neck = network.body, network.neck

    def forward(self, images: Tensor) -> Tensor:
        return self.neck(self.body(images))  # type: ignore[no-any-return]


def _with_neck(network: Network, width: int) -> Network:
    """The whole network up to its classifier as the body, and above it a bottleneck and a new linear classifier.

    CAdD masks what enters the bottleneck, EAdD its output. With a width of 0 there is no bottleneck.
    """
    made = pretrained.with_bottleneck(network, width or 1, dropout=DROPOUT)
    old, bottleneck = made.neck[0], made.neck[1]  # type: ignore[index]
    whole = _Whole(Network(made.body, old, made.head))
    if width:
        return Network(whole, bottleneck, made.head, normalisation=network.normalisation, new=[bottleneck])
    classifier = nn.Linear(network.head.in_features, network.head.out_features)  # type: ignore[arg-type]
    return Network(whole, nn.Identity(), classifier, normalisation=network.normalisation)


class TakesFeatures(nn.Module):
    """Stands in for a frozen part whose features are kept: what comes in are the features."""

    def forward(self, features: Tensor) -> Tensor:
        return features


def take_body_out(network: Network) -> nn.Module:
    """Let a network take features, and return the part that would compute them."""
    body = network.body
    network.body = TakesFeatures()
    return body


def put_body_back(module: nn.Module, body: nn.Module) -> None:
    """Let all networks in a module that take features take images again."""
    for network in [layer for layer in module.modules() if isinstance(layer, Network)]:
        if isinstance(network.body, TakesFeatures):
            network.body = body.to(next(network.parameters()).device)
