"""Losses as pure functions of logits; class dimension 1, so that (B, K) and (B, K, H, W) share every line.

A mean over the batch is a mean over the batch and, on maps, over the pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dta_bench.nn.network import RandomState, current_random_state, frozen_statistics, replaying_draws

Reduction = Literal["classes", "per_sample"]
Forward = Callable[[Tensor], Tensor]

XI = 3e-3
"""Probe length of VAT. In float32, 1e-3 drowns in rounding on an untrained ResNet-50 (cosine to the exact direction
.979 at 64 px; 3e-3: .996) and 1e-2 leaves the linear range on nets with steep residual branches (.974 at 224 px;
3e-3: .989); small nets: .998 or more at 3e-3."""


def kl_divergence(p_logits: Tensor, q_logits: Tensor, reduction: Reduction = "classes") -> Tensor:
    """KL(p || q) in nats of two predictions given as logits, a scalar; the gradient flows into both sides.

    ``classes`` averages over the batch and the K classes, as the released code does, and is K times smaller than
    ``per_sample``, the expectation over the batch that Eqs. 9, 10 and 12 print.
    Both sides are log-softmaxes: the gradient stays finite where a logit gap makes a probability underflow.
    """
    log_p, log_q = p_logits.log_softmax(1), q_logits.log_softmax(1)
    over_classes = F.kl_div(log_q, log_p, reduction="none", log_target=True).mean()
    return over_classes if reduction == "classes" else over_classes * p_logits.shape[1]


def symmetric_kl(p_logits: Tensor, q_logits: Tensor) -> Tensor:
    """Half of KL(p || q) + KL(q || p) in nats per sample, a scalar (ADR, Eq. 3); the gradient flows into both sides."""
    p_to_q = kl_divergence(p_logits, q_logits, "per_sample")
    return (p_to_q + kl_divergence(q_logits, p_logits, "per_sample")) / 2


def l1_discrepancy(p_logits: Tensor, q_logits: Tensor) -> Tensor:
    """Mean |p_k - q_k| over batch and classes, between 0 and 2 / K (MCD, Eq. 1)."""
    return (p_logits.softmax(1) - q_logits.softmax(1)).abs().mean()


def mean_prediction(*logits: Tensor) -> Tensor:
    """The log-probabilities of the mean of the predictions, for several classifiers that speak as one."""
    log_p = torch.stack([each.log_softmax(1) for each in logits])
    return log_p.logsumexp(0) - math.log(len(logits))


def conditional_entropy(logits: Tensor) -> Tensor:
    """Mean entropy in nats of the predictions, a scalar (Eq. 11)."""
    log_p = logits.log_softmax(1)
    return -(log_p.exp() * log_p).sum(1).mean()


def class_balance(logits: Tensor) -> Tensor:
    """-(1/K) sum_k log(mean p_k + 1e-6), smallest (log K) when the classes are predicted equally often.

    A term of the released code that the paper does not print.
    """
    mean_p = logits.softmax(1).transpose(0, 1).flatten(1).mean(1)
    return -(mean_p + 1e-6).log().mean()


def virtual_adversarial_loss(
    net: nn.Module,
    images: Tensor,
    epsilon: float,
    *,
    xi: float = XI,
    reduction: Reduction = "classes",
    forward: Forward | None = None,
    clean: tuple[Tensor, RandomState] | None = None,
) -> Tensor:
    """KL(h(x) || h(x + r)) at the virtual adversarial r of length ``epsilon``, a scalar (Eq. 12).

    Every pass draws the same dropout masks and leaves BatchNorm's running statistics alone; h(x) is detached.

    Args:
        net: the network whose statistics are kept.
        images: (B, C, H, W), as fed; left as they are.
        epsilon: L2 length of r per sample, over all pixels; 0 turns the loss off.
        xi: L2 length of the probe of the one power iteration.
        forward: images to logits through ``net``; by default ``net`` itself.
        clean: logits of ``forward(images)`` and the random state that pass began with, to save running it again.
    """
    if epsilon == 0:
        return images.new_zeros(())
    forward, images = forward or net, images.detach()
    with frozen_statistics(net):
        logits, draws = clean or _clean_pass(forward, images)
        r = epsilon * adversarial_direction(forward, images, logits.detach(), draws, xi)
        with replaying_draws(draws):
            perturbed = forward(images + r)
    return kl_divergence(logits.detach(), perturbed, reduction)


def adversarial_direction(forward: Forward, images: Tensor, logits: Tensor, draws: RandomState, xi: float) -> Tensor:
    """The unit vector per sample along which KL(h(x) || h(x + r)) grows fastest, by one power iteration.

    The gradient is taken for r alone, so no parameter receives one. A sample without a gradient keeps its random
    direction.
    """
    start = _unit(torch.randn_like(images))
    r = (xi * start).requires_grad_()
    with torch.enable_grad(), replaying_draws(draws):
        divergence = kl_divergence(logits, forward(images + r), "per_sample") * len(images)
        (gradient,) = torch.autograd.grad(divergence, r)
    moved = gradient.flatten(1).any(1).view(-1, *[1] * (gradient.ndim - 1))
    return torch.where(moved, _unit(gradient), start)


def _clean_pass(forward: Forward, images: Tensor) -> tuple[Tensor, RandomState]:
    draws = current_random_state(images.device)
    with torch.no_grad():
        return forward(images), draws


def _unit(vectors: Tensor) -> Tensor:
    """Each sample divided by its L2 length; scaled by its largest entry first, lest the squares underflow."""
    flat = vectors.flatten(1)
    flat = flat / flat.abs().amax(1, keepdim=True).clamp_min(torch.finfo(flat.dtype).tiny)
    return F.normalize(flat, dim=1).view_as(vectors)
