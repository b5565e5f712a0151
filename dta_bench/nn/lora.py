"""Low-rank adapters (LoRA, Hu et al., ICLR 2022): W + B A in place of W, of which only A and B train."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from dta_bench.errors import UserError
from dta_bench.nn.network import Network, part_of


class LowRank(nn.Module):
    """W + B A, as ``peft`` computes it with ``lora_alpha`` equal to the rank: A is drawn, B starts at zero.

    Args:
        weight: of a linear layer (out, in), or of a convolution of 1 x 1 (out, in, 1, 1).
        rank: of B A.
    """

    def __init__(self, weight: Tensor, rank: int) -> None:
        super().__init__()
        out, units = weight.shape[:2]
        self.a = nn.Parameter(torch.empty(rank, units, device=weight.device, dtype=weight.dtype))
        self.b = nn.Parameter(torch.zeros(out, rank, device=weight.device, dtype=weight.dtype))
        nn.init.kaiming_uniform_(self.a, a=math.sqrt(5))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + (self.b @ self.a).view_as(weight)


def add_adapters(network: Network, rank: int) -> None:
    """Freeze a network but for what is new for the classes, and give its attention and MLP blocks adapters.

    Raises:
        UserError: it has no linear layers to adapt below its classifier.
    """
    layers = {name: layer for name, layer in network.named_modules() if part_of(layer) == "backbone"}
    for layer in layers.values():
        for weight in layer.parameters(recurse=False):
            weight.requires_grad_(False)
    adapted = [layer for name, layer in layers.items() if takes_adapter(name, layer)]
    if not adapted:
        raise UserError(
            "tune lora adapts linear layers, as attention and MLP blocks have, and this backbone has none below its "
            "classifier; allowed: a ViT, Swin or ConvNeXt, or another tune"
        )
    for layer in adapted:
        weight = layer.weight
        assert isinstance(weight, Tensor)
        parametrize.register_parametrization(layer, "weight", LowRank(weight, rank))


def takes_adapter(name: str, layer: nn.Module) -> bool:
    """Whether a layer is linear: torch's ``Linear``, or the convolution of 1 x 1 of an MLP block in its place."""
    is_pointwise = isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1) and layer.groups == 1
    return isinstance(layer, nn.Linear) or (is_pointwise and name.endswith((".fc1", ".fc2")))


def merge_adapters(module: nn.Module) -> None:
    """Put W + B A in the place of W, so that the module is as one without adapters.

    torch's own way would take the adapters from copies of the module too, since these share its layers' classes.
    """
    for layer in [*module.modules()]:
        found: Any = getattr(layer, "parametrizations", {})
        if "weight" not in found or not any(isinstance(one, LowRank) for one in found["weight"]):
            continue
        weight, trains = layer.weight, found["weight"].original.requires_grad
        assert isinstance(weight, Tensor)
        del layer.parametrizations
        layer.__class__ = type(layer).__bases__[0]
        others = dict(layer._parameters)
        layer._parameters.clear()  # the weight comes first again: an export to timm goes by this order
        layer.register_parameter("weight", nn.Parameter(weight.detach(), requires_grad=trains))
        layer._parameters.update(others)
