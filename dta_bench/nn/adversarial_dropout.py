"""Adversarial dropout, element-wise (EAdD) and channel-wise (CAdD): Eqs. 1-5, a-13 to a-16.

A mask holds one bit a unit: (B, L) on vectors, (B, C, 1, 1) on maps. Where a bit stands for a whole map, the gradient
of the broadcast product sums the Jacobian over that map, which is Eq. a-16: EAdD and CAdD are one function.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from dta_bench.errors import UserError
from dta_bench.nn.losses import kl_divergence
from dta_bench.nn.network import (
    DropoutSite,
    Features,
    Network,
    current_random_state,
    frozen_statistics,
    replaying_draws,
)

Start = Literal["stochastic", "ones"]


def stochastic_mask(activation: Tensor, keep_rate: float, channel_axis: int = 1) -> Tensor:
    """A mask m^s of independent Bernoulli(``keep_rate``) bits, one for each sample and unit (a-13); not rescaled.

    Its size is 1 on every axis of the activation but the batch and ``channel_axis``.
    """
    axis = channel_axis % activation.ndim
    shape = [size if i in (0, axis) else 1 for i, size in enumerate(activation.shape)]
    # At least float32, so that under bfloat16 the Jacobian's entries can still be told apart.
    dtype = torch.promote_types(activation.dtype, torch.float32)
    mask = torch.ones(shape, dtype=dtype, device=activation.device)
    return mask if keep_rate == 1 else mask.bernoulli_(keep_rate)


def adversarial_mask(site: DropoutSite, activation: Tensor, m_s: Tensor, delta: float) -> Tensor:
    """m^adv: ``m_s`` with at most floor(``delta`` L) bits a sample flipped so that D[h(x; m^s), h(x; m)] grows most.

    D (Eq. 2) is linearised in m at ones (a-14, a-15), which solves Eqs. 3 and 5 by :func:`flip_bits`. At m^s itself D
    has its minimum and no slope. From an all-ones ``m_s`` there is a slope only if ``site.upper`` draws dropout of its
    own, anew in each pass. Kept units of m^s are rescaled by 1 / ``site.keep_rate``.

    Args:
        activation: h_l(x); no gradient reaches it.
        m_s: 0 and 1, one bit a unit.
        delta: delta_e or delta_c, a share of the L units.
    """
    if flip_budget(delta, m_s[0].numel()) == 0:
        return m_s
    activation = activation.detach()
    ones = torch.ones_like(m_s).requires_grad_()
    with torch.no_grad():
        clean = site.upper(m_s / site.keep_rate * activation)
    with torch.enable_grad():
        divergence = kl_divergence(clean, site.upper(ones * activation))
    (impact,) = torch.autograd.grad(divergence, ones)
    return flip_bits(m_s, impact, delta)


def flip_bits(m_s: Tensor, impact: Tensor, delta: float) -> Tensor:
    """``m_s`` with the flips of largest positive gain J_i (1 - 2 m^s_i), at most floor(``delta`` L) a sample.

    All units weigh 1, so this solves the 0/1 knapsack of Eqs. 3 and 5 exactly for the linearised divergence.
    ``impact`` is J, of the mask's shape (the values s_i of a-16).
    """
    gain = (impact * (1 - 2 * m_s)).flatten(1)
    best = gain.topk(flip_budget(delta, gain.shape[1]), dim=1)
    flips = torch.zeros_like(gain).scatter_(1, best.indices, (best.values > 0).to(gain.dtype))
    return (m_s - flips.view_as(m_s)).abs()


def flip_budget(delta: float, units: int) -> int:
    """The largest number of flips that Eqs. 3 and 5 allow among ``units`` bits; 1e-9 forgives float rounding."""
    return min(units, math.floor(delta * units + 1e-9))


def rescale_to_mean_one(mask: Tensor) -> Tensor:
    """The mask times L / (number kept) per sample, so that its mean is 1; an all-dropped mask stays zero."""
    flat = mask.flatten(1)
    return mask * (flat.shape[1] / flat.sum(1).clamp_min(1)).view(-1, *[1] * (mask.ndim - 1))


class TargetPass:
    """One clean pass p = h(x; m_f^s, m_c^s) and, cheaply, the predictions under the two adversarial masks.

    The trunk runs once, one ``autograd.grad`` gives both Jacobians and no parameter's gradient, and all passes but
    the clean one leave BatchNorm's running statistics alone.

    ``stochastic``: m^s is Bernoulli at the site, kept units rescaled by 1 / keep rate; the later passes replay the
    clean pass's dropout draws, so that two predictions differ by one mask alone (Eq. 2).
    ``ones`` (the released code): m^s is all ones, so the slope at ones can only come from dropout draws other than the
    clean pass's; kept units are rescaled by L / kept.

    Args:
        mask_features, mask_hidden: whether m^s is drawn at CAdD's and at EAdD's site, which a term that is off spares.

    Raises:
        UserError: ``ones`` on a network without dropout above its masks.
    """

    def __init__(self, net: Network, images: Tensor, start: Start, *, mask_features: bool, mask_hidden: bool) -> None:
        self.net, self.start = net, start
        if start == "ones" and (mask_features or mask_hidden) and not _has_dropout(net.neck, net.head):
            raise UserError(
                "start is ones, but this network has no dropout above its masks, so no mask could be adversarial; "
                "give its row start: stochastic (train: --set start=stochastic)"
            )
        self.feature_rate = net.feature_keep_rate if start == "stochastic" and mask_features else 1.0
        self.hidden_rate = net.hidden_keep_rate if start == "stochastic" and mask_hidden else 1.0
        self.draws = current_random_state(images.device)
        self.features, self.m_f = self._features(images)
        self._upper_draws = current_random_state(images.device)
        self.hidden = self._hidden(self.m_f / self.feature_rate)
        self.m_c = stochastic_mask(self.hidden, self.hidden_rate, net.hidden_axis)
        self._head_draws = current_random_state(images.device)
        self.logits: Tensor = net.head(self.m_c / self.hidden_rate * self.hidden)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of other images; replayed from ``draws``, under this pass's m^s and dropout."""
        features, m_f = self._features(images)
        return self._head(self.net.hidden(features.masked(m_f / self.feature_rate)))

    def adversarial(self, delta_c: float, delta_e: float) -> tuple[Tensor | None, Tensor | None]:
        """Logits h(x; m_f^adv, m_c^s) and h(x; m_f^s, m_c^adv) (Eqs. 5 and 3); None where the budget allows no flip."""
        on_f = flip_budget(delta_c, self.m_f[0].numel()) > 0
        on_c = flip_budget(delta_e, self.m_c[0].numel()) > 0
        if not (on_f or on_c):
            return None, None
        with frozen_statistics(self.net), torch.enable_grad():
            impact_f, impact_c, hidden = self._impacts(on_f, on_c)
            m_f, m_c = flip_bits(self.m_f, impact_f, delta_c), flip_bits(self.m_c, impact_c, delta_e)
            return self._under_feature_mask(m_f) if on_f else None, self._under_hidden_mask(
                m_c, hidden
            ) if on_c else None

    def _impacts(self, on_f: bool, on_c: bool) -> tuple[Tensor, Tensor, Tensor]:
        """J at ones for m_f and for m_c (zeros for one that is off), and the hidden activation that m_c is to mask."""
        ones_f, ones_c = torch.ones_like(self.m_f).requires_grad_(), torch.ones_like(self.m_c).requires_grad_()
        p, hidden, from_ones = self.logits.detach(), self.hidden, self.start == "ones"
        divergence = p.new_zeros(())
        if on_f or from_ones:
            with self._impact_draws():
                hidden_at_ones = self._hidden(ones_f)
                divergence = divergence + kl_divergence(p, self._head(hidden_at_ones))
            hidden = hidden_at_ones if from_ones else hidden
        if on_c:
            with replaying_draws(self._head_draws):
                divergence = divergence + kl_divergence(p, self.net.head(ones_c * hidden.detach()))
        j_f, j_c = torch.autograd.grad(
            divergence, (ones_f, ones_c), retain_graph=from_ones and on_c, materialize_grads=True
        )
        return j_f, j_c, hidden

    def _impact_draws(self) -> AbstractContextManager[None]:
        if self.start == "stochastic":
            return replaying_draws(self._upper_draws)
        self._upper_draws = current_random_state(self.logits.device)
        return nullcontext()

    def _under_feature_mask(self, m_f: Tensor) -> Tensor:
        with replaying_draws(self._upper_draws):
            return self._head(self._hidden(self._scaled(m_f, self.feature_rate)))

    def _under_hidden_mask(self, m_c: Tensor, hidden: Tensor) -> Tensor:
        with replaying_draws(self._head_draws):
            return self.net.head(self._scaled(m_c, self.hidden_rate) * hidden)  # type: ignore[no-any-return]

    def _scaled(self, mask: Tensor, keep_rate: float) -> Tensor:
        return rescale_to_mean_one(mask) if self.start == "ones" else mask / keep_rate

    def _features(self, images: Tensor) -> tuple[Features, Tensor]:
        features = self.net.features(images)
        return features, stochastic_mask(features.activation, self.feature_rate, self.net.feature_axis)

    def _hidden(self, scaled_m_f: Tensor) -> Tensor:
        return self.net.hidden(self.features.masked(scaled_m_f))

    def _head(self, hidden: Tensor) -> Tensor:
        m_c = stochastic_mask(hidden, self.hidden_rate, self.net.hidden_axis)
        return self.net.head(m_c / self.hidden_rate * hidden)  # type: ignore[no-any-return]


def _has_dropout(*parts: nn.Module) -> bool:
    """Whether a forward pass in training mode draws dropout in any of ``parts``."""
    return any(isinstance(m, _DropoutNd) and m.p > 0 for part in parts for m in part.modules())
