"""What adversarial alignment shares: gradient reversal, the domain discriminator, its losses, CDAN's maps.

Source is domain 1, target domain 0. A discriminator reads rows: a sample's vector, or each pixel's on maps.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

MAX_MAP = 4096
"""Above so many products the multilinear map is randomised (Long et al. 2018)."""


class _Reversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * gradient, None


def reversed_gradient(x: Tensor, strength: float) -> Tensor:
    """``x``; going back, the gradient is multiplied by -``strength`` (Ganin & Lempitsky 2015)."""
    found: Tensor = _Reversal.apply(x, strength)
    return found


def ramp(done: float, rate: float = 10.0) -> float:
    """2 / (1 + exp(-rate q)) - 1 at q = ``done``: from 0 to 1, DANN's schedule, for reversal or a weight."""
    return 2 / (1 + math.exp(-rate * done)) - 1


def discriminator(units: int, width: int) -> nn.Module:
    """Rows (N, units) to one domain logit each, (N,): one hidden layer."""
    return nn.Sequential(nn.Linear(units, width), nn.ReLU(), nn.Linear(width, 1), nn.Flatten(0))


def rows(activation: Tensor, axis: int = 1) -> Tensor:
    """(B, L) as it is; on maps one row for each sample and place, with the units of ``axis``."""
    return activation.movedim(axis, -1).flatten(0, -2)


def domain_loss(
    logits_s: Tensor, logits_t: Tensor, weight_s: Tensor | None = None, weight_t: Tensor | None = None
) -> Tensor:
    """Half the binary cross-entropy on each domain, source being 1; weights, if any, should have mean 1."""
    on_source = binary_cross_entropy_with_logits(logits_s, torch.ones_like(logits_s), weight_s)
    return (on_source + binary_cross_entropy_with_logits(logits_t, torch.zeros_like(logits_t), weight_t)) / 2


def judged(judge: nn.Module, rows_s: Tensor, rows_t: Tensor) -> tuple[Tensor, Tensor]:
    """A discriminator's logits for both domains, in one pass."""
    both = judge(torch.cat([rows_s, rows_t]))
    return both[: len(rows_s)], both[len(rows_s) :]


class MultilinearMap(nn.Module):
    """T(f, p): the products f_i p_k of features and class probabilities, (N, units) and (N, classes) to (N, d).

    Class-major: T = (p_1 f, p_2 f, ...). Beyond ``largest`` products it is randomised: (R_f f) * (R_p p) / sqrt(d) with
    d = ``width`` and fixed standard normal matrices, whose inner products have the products of the parts' as mean.
    """

    of_features: Tensor | None
    of_classes: Tensor | None

    def __init__(self, units: int, classes: int, width: int, largest: int = MAX_MAP) -> None:
        super().__init__()
        randomised = units * classes > largest
        self.size = width if randomised else units * classes
        self.register_buffer("of_features", torch.randn(units, width) if randomised else None)
        self.register_buffer("of_classes", torch.randn(classes, width) if randomised else None)

    def forward(self, features: Tensor, p: Tensor) -> Tensor:
        """The map of each row."""
        if self.of_features is None or self.of_classes is None:
            return torch.einsum("nk,nu->nku", p, features).flatten(1)
        return (features @ self.of_features) * (p @ self.of_classes) / math.sqrt(self.size)


def entropy_weights(p: Tensor) -> Tensor:
    """1 + exp(-H(p)) of each row, divided by their mean; no gradient (CDAN+E)."""
    weights = 1 + torch.exp(torch.special.entr(p.detach()).sum(1).neg())
    return weights / weights.mean()
