"""Adversarial dropout, element-wise (EAdD) and channel-wise (CAdD): Eqs. 1-5, a-13 to a-16.

A mask has one bit per sample and unit: (B, L) on vectors, (B, C, 1, 1) on maps. A bit that masks a whole map is
broadcast over it, so autograd sums the Jacobian over the map, which is Eq. a-16: one function serves EAdD and CAdD.
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
    """Draw a mask m^s: one Bernoulli(``keep_rate``) bit per sample and unit (Eqs. 4, a-13), without rescaling.

    Args:
        activation: the activation that is to be masked, with the batch on axis 0.
        keep_rate: the probability of a 1; with 1 no random number is drawn.
        channel_axis: the axis of ``activation`` that holds its units.

    Returns:
        A mask of zeros and ones that broadcasts over the activation: its size is 1 on all other axes but the batch's.
    """
    axis = channel_axis % activation.ndim
    shape = [size if i in (0, axis) else 1 for i, size in enumerate(activation.shape)]
    # At least float32: in bfloat16 many entries of the Jacobian would round to the same value.
    dtype = torch.promote_types(activation.dtype, torch.float32)
    mask = torch.ones(shape, dtype=dtype, device=activation.device)
    return mask if keep_rate == 1 else mask.bernoulli_(keep_rate)


def adversarial_mask(site: DropoutSite, activation: Tensor, m_s: Tensor, delta: float) -> Tensor:
    """The adversarial mask m^adv at one site (Eq. 3 for EAdD, Eq. 5 for CAdD).

    It is m^s with the bits flipped that make the divergence D[h(x; m^s), h(x; m)] (Eq. 2) grow most. D is linearised in
    m at ones (Eqs. a-14, a-15), not at m^s, where D has its minimum and its gradient is zero. If m^s is all ones too,
    the gradient differs from zero only if ``site.upper`` has dropout, whose draws differ between the two passes.

    Args:
        site: its ``upper`` is run twice; kept units of m^s are rescaled by 1 / ``site.keep_rate``.
        activation: h_l(x), with the batch on axis 0; no gradient reaches it.
        m_s: zeros and ones, of the shape that :func:`stochastic_mask` gives.
        delta: delta_e or delta_c: at most this share of the L units is flipped in each sample.

    Returns:
        A mask of zeros and ones of the shape of ``m_s``.
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
    """Flip the bits of a mask whose flips have the largest positive gain J_i (1 - 2 m^s_i).

    All units weigh 1, so this solves the 0/1 knapsack of Eqs. 3 and 5 exactly for the linearised divergence.

    Args:
        m_s: zeros and ones, one bit per sample and unit.
        impact: J, the gradient of the divergence with respect to the mask (the values s_i of Eq. a-16); same shape.
        delta: at most floor(``delta`` L) of a sample's L bits are flipped.

    Returns:
        A mask of zeros and ones of the shape of ``m_s``.
    """
    gain = (impact * (1 - 2 * m_s)).flatten(1)
    best = gain.topk(flip_budget(delta, gain.shape[1]), dim=1)
    flips = torch.zeros_like(gain).scatter_(1, best.indices, (best.values > 0).to(gain.dtype))
    return (m_s - flips.view_as(m_s)).abs()


def flip_budget(delta: float, units: int) -> int:
    """How many of ``units`` bits Eqs. 3 and 5 allow to flip: floor(``delta`` L).

    1e-9 is added because a product such as 0.29 * 100 is 28.999... in floating point.
    """
    return min(units, math.floor(delta * units + 1e-9))


def rescale_to_mean_one(mask: Tensor) -> Tensor:
    """Multiply each sample's mask by L / (number of kept units), so that its mean is 1; an all-zero mask stays zero."""
    flat = mask.flatten(1)
    return mask * (flat.shape[1] / flat.sum(1).clamp_min(1)).view(-1, *[1] * (mask.ndim - 1))


class TargetPass:
    """The clean prediction h(x; m_f^s, m_c^s) of a target batch, and those under the two adversarial masks.

    To save work, the body runs once for all predictions, and one ``autograd.grad`` gives both Jacobians and no gradient
    of a parameter. Only the clean pass updates BatchNorm's running statistics.

    Args:
        net: the network h.
        images: x, (B, C, H, W).
        start: what m^s is.
            ``stochastic``: Bernoulli bits, kept units rescaled by 1 / keep rate. The other passes repeat the clean
            pass's dropout draws, so that two predictions differ by one mask alone, as in Eq. 2.
            ``ones`` (the released code): all ones, so that the Jacobian at ones differs from zero only because the
            impact pass draws other dropout than the clean pass; kept units are rescaled by L / (number kept).
        mask_features: whether CAdD is on; if not, m_f^s is all ones and nothing is drawn for it.
        mask_hidden: whether EAdD is on; if not, m_c^s is all ones and nothing is drawn for it.

    Attributes:
        logits: of the clean pass, (B, K) or (B, K, H, W).
        draws: the random state before the clean pass.
        features: the output of the body.
        m_f: m_f^s, one bit per channel.
        hidden: the output of the neck under m_f^s.
        m_c: m_c^s, one bit per hidden unit.

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
        """Logits of other images (B, C, H, W), such as x + r of VAT.

        Inside ``replaying_draws(self.draws)`` m^s and dropout are those of the clean pass.
        """
        features, m_f = self._features(images)
        return self._head(self.net.hidden(features.masked(m_f / self.feature_rate)))

    def adversarial_logits(self, delta_c: float, delta_e: float) -> tuple[Tensor | None, Tensor | None]:
        """The predictions under CAdD's and under EAdD's adversarial mask, for Eqs. 9 and 10.

        Args:
            delta_c: the largest share of channels to flip in m_f^s (Eq. 5).
            delta_e: the largest share of hidden units to flip in m_c^s (Eq. 3).

        Returns:
            The logits h(x; m_f^adv, m_c^s) and h(x; m_f^s, m_c^adv); None for a share of less than one unit.
        """
        cadd_is_on = flip_budget(delta_c, self.m_f[0].numel()) > 0
        eadd_is_on = flip_budget(delta_e, self.m_c[0].numel()) > 0
        if not (cadd_is_on or eadd_is_on):
            return None, None
        with frozen_statistics(self.net), torch.enable_grad():
            impact_f, impact_c, hidden = self._impacts(cadd_is_on, eadd_is_on)
            m_f, m_c = flip_bits(self.m_f, impact_f, delta_c), flip_bits(self.m_c, impact_c, delta_e)
            p_f = self._under_feature_mask(m_f) if cadd_is_on else None
            p_c = self._under_hidden_mask(m_c, hidden) if eadd_is_on else None
            return p_f, p_c

    def _impacts(self, cadd_is_on: bool, eadd_is_on: bool) -> tuple[Tensor, Tensor, Tensor]:
        """J at ones for m_f and for m_c (zeros for one that is off), and the hidden activation that m_c will mask."""
        ones_f, ones_c = torch.ones_like(self.m_f).requires_grad_(), torch.ones_like(self.m_c).requires_grad_()
        p, hidden, from_ones = self.logits.detach(), self.hidden, self.start == "ones"
        divergence = p.new_zeros(())
        if cadd_is_on or from_ones:
            with self._impact_draws():
                hidden_at_ones = self._hidden(ones_f)
                divergence = divergence + kl_divergence(p, self._head(hidden_at_ones))
            hidden = hidden_at_ones if from_ones else hidden
        if eadd_is_on:
            with replaying_draws(self._head_draws):
                divergence = divergence + kl_divergence(p, self.net.head(ones_c * hidden.detach()))
        j_f, j_c = torch.autograd.grad(
            divergence, (ones_f, ones_c), retain_graph=from_ones and eadd_is_on, materialize_grads=True
        )
        return j_f, j_c, hidden

    def _impact_draws(self) -> AbstractContextManager[None]:
        """The clean pass's draws above CAdD's site, or for ``ones`` new ones, which the masked pass will repeat."""
        if self.start == "stochastic":
            return replaying_draws(self._upper_draws)
        self._upper_draws = current_random_state(self.logits.device)
        return nullcontext()

    def _under_feature_mask(self, m_f: Tensor) -> Tensor:
        """Logits with m_f in place of m_f^s, all other draws repeated."""
        with replaying_draws(self._upper_draws):
            return self._head(self._hidden(self._scaled(m_f, self.feature_rate)))

    def _under_hidden_mask(self, m_c: Tensor, hidden: Tensor) -> Tensor:
        """Logits with m_c in place of m_c^s, all other draws repeated."""
        with replaying_draws(self._head_draws):
            return self.net.head(self._scaled(m_c, self.hidden_rate) * hidden)  # type: ignore[no-any-return]

    def _scaled(self, mask: Tensor, keep_rate: float) -> Tensor:
        """An adversarial mask with the scale of its kept units."""
        return rescale_to_mean_one(mask) if self.start == "ones" else mask / keep_rate

    def _features(self, images: Tensor) -> tuple[Features, Tensor]:
        """The output of the body and a new m_f^s."""
        features = self.net.features(images)
        return features, stochastic_mask(features.activation, self.feature_rate, self.net.feature_axis)

    def _hidden(self, scaled_m_f: Tensor) -> Tensor:
        """The output of the neck for the clean pass's features under a mask."""
        return self.net.hidden(self.features.masked(scaled_m_f))

    def _head(self, hidden: Tensor) -> Tensor:
        """Logits under a new m_c^s, or the clean pass's where its draws are repeated."""
        m_c = stochastic_mask(hidden, self.hidden_rate, self.net.hidden_axis)
        return self.net.head(m_c / self.hidden_rate * hidden)  # type: ignore[no-any-return]


def _has_dropout(*parts: nn.Module) -> bool:
    """Whether any of ``parts`` has dropout that drops something in training mode."""
    return any(isinstance(m, _DropoutNd) and m.p > 0 for part in parts for m in part.modules())
