"""What adversarial alignment methods share: gradient reversal, the domain discriminator, its loss, CDAN's maps.

The source is domain 1, the target domain 0. A discriminator reads rows (N, units): one per sample, or on maps one per
pixel.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

MAX_PRODUCTS = 4096
"""The multilinear map is randomised where it would have more entries than this (Long et al. 2018)."""


class _GradientReversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * gradient, None


def reverse_gradient(x: Tensor, strength: float) -> Tensor:
    """Return ``x``; in the backward pass its gradient is multiplied by -``strength`` (Ganin & Lempitsky 2015)."""
    unchanged: Tensor = _GradientReversal.apply(x, strength)
    return unchanged


def dann_ramp(done: float, rate: float = 10.0) -> float:
    """DANN's schedule 2 / (1 + exp(-rate q)) - 1, for the strength of a reversal or the weight of a loss.

    Args:
        done: q, the share of the run that is over, from 0 to 1.
        rate: how fast it rises.

    Returns:
        A factor that rises from 0 towards 1.
    """
    return 2 / (1 + math.exp(-rate * done)) - 1


def build_discriminator(units: int, width: int, depth: int = 1, norm: bool = False) -> nn.Module:
    """A network from rows (N, units) to one domain logit each, (N,).

    Args:
        units: of its input.
        width: units of each hidden layer.
        depth: number of hidden layers.
        norm: whether each hidden layer has BatchNorm.
    """
    layers: list[nn.Module] = []
    for inputs in (units, *[width] * (depth - 1)):
        layers += [nn.Linear(inputs, width), *([nn.BatchNorm1d(width)] if norm else []), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(width, 1), nn.Flatten(0))


def as_rows(activation: Tensor, axis: int = 1) -> Tensor:
    """An activation as rows (N, units): vectors (B, units) unchanged, maps with one row per sample and pixel.

    Args:
        axis: the axis of ``activation`` that holds the units.
    """
    return activation.movedim(axis, -1).flatten(0, -2)


def domain_loss(
    logits_s: Tensor, logits_t: Tensor, weight_s: Tensor | None = None, weight_t: Tensor | None = None
) -> Tensor:
    """The mean over both domains of the binary cross-entropy with the true domain (source 1, target 0).

    Args:
        logits_s: the discriminator's logits of source rows (N,); maps of any shape do too.
        logits_t: the same of target rows.
        weight_s: a weight for each source logit, of mean 1; None: all 1.
        weight_t: the same for target logits.

    Returns:
        A scalar in nats; ln 2 for a discriminator that cannot tell the domains apart.
    """
    on_source = binary_cross_entropy_with_logits(logits_s, torch.ones_like(logits_s), weight_s)
    return (on_source + binary_cross_entropy_with_logits(logits_t, torch.zeros_like(logits_t), weight_t)) / 2


def domain_logits(discriminator: nn.Module, rows_s: Tensor, rows_t: Tensor) -> tuple[Tensor, Tensor]:
    """A discriminator's logits for the rows of source and of target, from one pass over both."""
    both = discriminator(torch.cat([rows_s, rows_t]))
    return both[: len(rows_s)], both[len(rows_s) :]


class MultilinearMap(nn.Module):
    """T(f, p): all products f_i p_k of features (N, units) and class probabilities (N, K), as rows (N, size).

    The order is class by class: T = (p_1 f, p_2 f, ...). Where there are more than ``largest`` products, the map is
    randomised: (R_f f) * (R_p p) / sqrt(size) with size = ``width`` and fixed standard normal matrices. Inner products
    of the randomised map have those of the full map as their mean.
    """

    of_features: Tensor | None
    of_classes: Tensor | None

    def __init__(self, units: int, classes: int, width: int, largest: int = MAX_PRODUCTS) -> None:
        super().__init__()
        randomised = units * classes > largest
        self.size = width if randomised else units * classes
        self.register_buffer("of_features", torch.randn(units, width) if randomised else None)
        self.register_buffer("of_classes", torch.randn(classes, width) if randomised else None)

    def forward(self, features: Tensor, p: Tensor) -> Tensor:
        """The map of each row, (N, size)."""
        if self.of_features is None or self.of_classes is None:
            return torch.einsum("nk,nu->nku", p, features).flatten(1)
        return (features @ self.of_features) * (p @ self.of_classes) / math.sqrt(self.size)


def entropy_weights(p: Tensor) -> Tensor:
    """CDAN+E's weights of predictions: 1 + exp(-H(p)) for each row, divided by their mean.

    Args:
        p: class probabilities (N, K).

    Returns:
        Weights (N,) of mean 1, without a gradient; confident predictions weigh more.
    """
    weights = 1 + torch.exp(torch.special.entr(p.detach()).sum(1).neg())
    return weights / weights.mean()
