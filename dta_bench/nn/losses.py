"""Loss functions of logits (B, K) or (B, K, H, W), and virtual adversarial training (VAT).

The classes are dimension 1. A mean over the batch is, on maps, a mean over the batch and the pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dta_bench.errors import UserError
from dta_bench.nn.network import RandomState, current_random_state, frozen_statistics, replaying_draws

Reduction = Literal["classes", "per_sample"]
Forward = Callable[[Tensor], Tensor]

XI = 3e-3
"""L2 length of VAT's probe, chosen by the cosine to the exact direction in float64.

In float32, 1e-3 suffers from rounding on an untrained ResNet-50 (cosine .979 at 64 px; 3e-3: .996), and 1e-2 is too
long for a linear approximation on networks with steep residual branches (.974 at 224 px; 3e-3: .989). On small networks
3e-3 gives .998 or more."""


def kl_divergence(p_logits: Tensor, q_logits: Tensor, reduction: Reduction = "classes") -> Tensor:
    """KL(p || q) of two predictions (Eqs. 9, 10 and 12); the gradient flows into both sides.

    Both sides are log-softmaxes: the gradient stays finite where a wide logit gap makes a probability underflow.

    Args:
        p_logits: (B, K) or (B, K, H, W).
        q_logits: of the same shape.
        reduction: ``per_sample`` is the mean over the batch, as the equations print it; ``classes`` is the mean over
            the batch and the K classes, as in the released code, and so K times smaller.

    Returns:
        A scalar in nats.
    """
    log_p, log_q = p_logits.log_softmax(1), q_logits.log_softmax(1)
    over_classes = F.kl_div(log_q, log_p, reduction="none", log_target=True).mean()
    return over_classes if reduction == "classes" else over_classes * p_logits.shape[1]


def symmetric_kl(p_logits: Tensor, q_logits: Tensor) -> Tensor:
    """(KL(p || q) + KL(q || p)) / 2, a scalar in nats per sample (ADR, Eq. 3); the gradient flows into both sides."""
    p_to_q = kl_divergence(p_logits, q_logits, "per_sample")
    return (p_to_q + kl_divergence(q_logits, p_logits, "per_sample")) / 2


def l1_discrepancy(p_logits: Tensor, q_logits: Tensor) -> Tensor:
    """Mean |p_k - q_k| over batch and classes, a scalar between 0 and 2 / K (MCD, Eq. 1)."""
    return (p_logits.softmax(1) - q_logits.softmax(1)).abs().mean()


def mean_prediction(*logits: Tensor) -> Tensor:
    """The mean of several classifiers' predictions, as log-probabilities of the shape of each one's logits."""
    log_p = torch.stack([each.log_softmax(1) for each in logits])
    return log_p.logsumexp(0) - math.log(len(logits))


def conditional_entropy(logits: Tensor) -> Tensor:
    """Mean entropy of the predictions, a scalar in nats between 0 and log K (Eq. 11)."""
    log_p = logits.log_softmax(1)
    return -(log_p.exp() * log_p).sum(1).mean()


def class_balance(logits: Tensor) -> Tensor:
    """-(1/K) sum_k log(mean p_k + 1e-6), a scalar; smallest, log K, where all classes are predicted equally often.

    This term is in the released code and not in the paper.
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
    """KL(h(x) || h(x + r)) at the virtual adversarial perturbation r (Eq. 12); h(x) gets no gradient.

    All passes draw the same dropout masks, and none updates BatchNorm's running statistics.

    Args:
        net: the network whose BatchNorm statistics must not change.
        images: x, (B, C, H, W), as the network is given them; not modified.
        epsilon: L2 length of r per sample, over all pixels; 0 turns the loss off.
        xi: L2 length of the probe in the one power iteration that finds r.
        reduction: as for :func:`kl_divergence`.
        forward: images to logits through ``net``; by default ``net`` itself.
        clean: the logits of ``forward(images)`` and the random state before that pass, if it has been run already.

    Returns:
        A scalar in nats.

    Raises:
        UserError: the network's body is frozen.
    """
    if epsilon == 0:
        return images.new_zeros(())
    if getattr(net, "input_is_fixed", False):
        raise UserError("VAT perturbs the input, and with tune head no gradient reaches it; turn VAT off")
    forward, images = forward or net, images.detach()
    with frozen_statistics(net):
        logits, draws = clean or _clean_pass(forward, images)
        r = epsilon * adversarial_direction(forward, images, logits.detach(), draws, xi)
        with replaying_draws(draws):
            perturbed_logits = forward(images + r)
    return kl_divergence(logits.detach(), perturbed_logits, reduction)


def adversarial_direction(forward: Forward, images: Tensor, logits: Tensor, draws: RandomState, xi: float) -> Tensor:
    """The direction in which KL(h(x) || h(x + r)) grows fastest, estimated by one power iteration (Eq. 12).

    The gradient is taken for r alone, so no parameter receives one. Where it is zero the random start is returned.

    Args:
        forward: images to logits.
        images: x, (B, C, H, W).
        logits: h(x), without a gradient.
        draws: the random state before the pass that gave ``logits``.
        xi: L2 length of the random start, per sample.

    Returns:
        One vector of L2 length 1 per sample, (B, C, H, W).
    """
    start = _to_unit_length(torch.randn_like(images))
    r = (xi * start).requires_grad_()
    with torch.enable_grad(), replaying_draws(draws):
        divergence = kl_divergence(logits, forward(images + r), "per_sample") * len(images)
        (gradient,) = torch.autograd.grad(divergence, r)
    has_gradient = gradient.flatten(1).any(1).view(-1, *[1] * (gradient.ndim - 1))
    return torch.where(has_gradient, _to_unit_length(gradient), start)


def _clean_pass(forward: Forward, images: Tensor) -> tuple[Tensor, RandomState]:
    draws = current_random_state(images.device)
    with torch.no_grad():
        return forward(images), draws


def _to_unit_length(vectors: Tensor) -> Tensor:
    """Each sample divided by its L2 length; divided by its largest entry first, so that no square underflows."""
    flat = vectors.flatten(1)
    flat = flat / flat.abs().amax(1, keepdim=True).clamp_min(torch.finfo(flat.dtype).tiny)
    return F.normalize(flat, dim=1).view_as(vectors)
