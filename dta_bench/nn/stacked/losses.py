"""The losses of heads in a stack: for each member what its method's file computes for one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from dta_bench.nn.adversarial_dropout import flip_budget
from dta_bench.nn.losses import XI
from dta_bench.nn.stacked.draws import Drawn, Wanted
from dta_bench.nn.stacked.heads import StackedHeads

FEW = 12
"""Up to so many flips the best are found one by one; more are found faster by parting all impacts."""
Parts = dict[str, Tensor]
"""Terms of the losses by name, (members,) each."""


@dataclass(frozen=True)
class Point:
    """The parameters of a member's DTA in an epoch: Eq. 6, masks that start at ones, VAT on features.

    Attributes:
        lambda_3: 0 where there is no VAT.
        flips_c: features that CAdD may flip in each sample.
        flips_e: hidden units that EAdD may flip in each sample.
    """

    lambda_1: float
    lambda_2: float
    lambda_3: float
    epsilon: float
    flips_c: int
    flips_e: int

    @property
    def has_vat(self) -> bool:
        """Whether VAT is computed."""
        return bool(self.lambda_3 and self.epsilon)

    @property
    def wanted(self) -> Wanted:
        """What is drawn in a step."""
        return Wanted(3 if self.flips_c or self.flips_e else 2, self.has_vat)


def point(params: object, epoch: int, units: int, width: int) -> Point:
    """The point of a member with the parameters ``params`` of ``dta``."""
    get = vars(params).__getitem__
    rise = min(1.0, epoch / get("ramp_up_epochs")) if get("lambda_1") else 0.0
    flips = flip_budget(rise * get("delta_c"), units), flip_budget(rise * get("delta_e"), width)
    return Point(get("lambda_1"), get("lambda_2"), get("lambda_3"), get("epsilon"), *flips)


SOURCE_ONLY = Wanted(1)


def source_only_losses(heads: StackedHeads, drawn: Drawn, source: Tensor, labels: Tensor) -> Parts:
    """Cross-entropy on the source.

    Args:
        source: (members, batch, L) features.
        labels: (members, batch).
    """
    (linear,) = heads.linear(source)
    task = _cross_entropy(heads.classify(drawn.dropouts[0] * heads.activate(linear, True)), labels)
    return {"total": task, "task": task}


class DtaLosses:
    """The terms of ``dta``'s loss for each member, as :func:`dta_bench.methods.dta.loss` computes them for one.

    Args:
        points: of each member, in this epoch.
        per_sample: whether divergences are means over the batch alone.
        dtype: of the weights.
    """

    def __init__(self, points: list[Point], per_sample: bool, dtype: torch.dtype) -> None:
        self.per_sample = per_sample
        self.lambda_1, self.lambda_2, self.lambda_3, self.epsilon = (
            torch.tensor([getattr(one, name) for one in points], dtype=dtype)
            for name in ("lambda_1", "lambda_2", "lambda_3", "epsilon")
        )
        self.flips_c, self.flips_e = (
            torch.tensor([getattr(one, name) for one in points]) for name in ("flips_c", "flips_e")
        )
        self.has_c, self.has_e = (self.flips_c > 0).to(dtype), (self.flips_e > 0).to(dtype)
        self.has_vat = torch.tensor([one.has_vat for one in points], dtype=dtype)

    def __call__(self, heads: StackedHeads, drawn: Drawn, both: Tensor, labels: Tensor) -> Parts:
        """The losses of one step.

        Args:
            both: features of the source, then as many of the target, (members, 2 batch, L).
            labels: of the source, (members, batch).
        """
        target = both[:, labels.shape[1] :]
        linear_s, linear_t = heads.linear(both, 2)
        task = _cross_entropy(heads.classify(drawn.dropouts[0] * heads.activate(linear_s, True)), labels)
        active = heads.activate(linear_t, True)
        p = heads.classify(drawn.dropouts[1] * active)
        zero = torch.zeros_like(task)
        f_dta = c_dta = vat = zero
        if self.flips_c.any() or self.flips_e.any():
            f_dta, c_dta = self._adversarial(heads, drawn.dropouts[2], target, (linear_t, active, p))
        if self.has_vat.any():
            vat = self._vat(heads, drawn, target, p.detach())
        log_p = p.log_softmax(2)
        entropy = -(log_p.exp() * log_p).sum(2).mean(1)
        total = task + self.lambda_1 * (f_dta + c_dta) + self.lambda_2 * entropy + self.lambda_3 * vat
        return {
            "total": total, "task": task, "f_dta": f_dta, "c_dta": c_dta, "entropy": entropy, "vat": vat,
            "class_balance": zero, "source_consistency": zero,
        }  # fmt: skip

    def _adversarial(
        self, heads: StackedHeads, drop: Tensor, target: Tensor, clean: tuple[Tensor, Tensor, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """KL(p || p_f) and KL(p || p_c) of Eqs. 9 and 10; 0 where nothing is flipped."""
        linear, active, p = clean
        hidden = drop * active  # under ones the neck sees the same features, and draws other dropout
        f_dta = c_dta = torch.zeros_like(self.lambda_1)
        known = p.detach()
        divergence = self._divergence(known, heads.classify(hidden)).sum()
        ones_e = torch.ones_like(hidden).requires_grad_()
        divergence = divergence + self._divergence(known, heads.classify(ones_e * hidden.detach())).sum()
        of_linear, impact_e = torch.autograd.grad(divergence, (linear, ones_e), retain_graph=True)
        if self.flips_c.any():
            impact_c = heads.to_features(of_linear).mul_(target)  # the mask of ones multiplies the features
            (linear_f,) = heads.linear(_mean_one(_flip(impact_c, self.flips_c)).mul_(target))
            f_dta = self._divergence(p, heads.classify(drop * heads.activate(linear_f))) * self.has_c
        if self.flips_e.any():
            mask = _mean_one(_flip(impact_e, self.flips_e))
            c_dta = self._divergence(p, heads.classify(mask * hidden)) * self.has_e
        return f_dta, c_dta

    def _vat(self, heads: StackedHeads, drawn: Drawn, target: Tensor, p: Tensor) -> Tensor:
        """Eq. 12 at the features, under the dropout of the clean pass; 0 for members without VAT."""
        assert drawn.start is not None
        drop, start = drawn.dropouts[1], _to_unit_length(drawn.start)
        at = heads.probe(torch.add(target, start, alpha=XI))
        divergence = _kl(p, heads.classify(drop * heads.activate(at))).sum()
        (of_linear,) = torch.autograd.grad(divergence, at)
        gradient = heads.to_features(of_linear)
        direction = torch.where(gradient.any(2, keepdim=True), _to_unit_length(gradient), start)
        (linear,) = heads.linear(torch.addcmul(target, direction, self.epsilon.view(-1, 1, 1)))
        return self._divergence(p, heads.classify(drop * heads.activate(linear))) * self.has_vat

    def _divergence(self, p: Tensor, q: Tensor) -> Tensor:
        """KL(p || q) of logits (members, batch, K): (members,), as :func:`dta_bench.nn.losses.kl_divergence`."""
        mean = _kl(p, q)
        return mean * p.shape[2] if self.per_sample else mean


def _kl(p: Tensor, q: Tensor) -> Tensor:
    log_p, log_q = p.log_softmax(2), q.log_softmax(2)
    return F.kl_div(log_q, log_p, reduction="none", log_target=True).mean((1, 2))


@torch.no_grad()
def _flip(impact: Tensor, flips: Tensor) -> Tensor:
    """Ones with the bits at zero whose flips gain most: each member's own number of them in each sample."""
    most = int(flips.max())
    if most > FEW:
        is_flipped = impact <= _largest_to_flip(impact, flips)
        if not (is_flipped.sum(2) > flips.unsqueeze(1)).any():  # else there are ties
            return (~is_flipped).to(impact.dtype)
    best = impact.topk(most, dim=2, largest=False)
    is_best = (torch.arange(most) < flips.view(-1, 1, 1)) & (best.values < 0)
    return torch.ones_like(impact).scatter_(2, best.indices, (~is_best).to(impact.dtype))


def _largest_to_flip(impact: Tensor, flips: Tensor) -> Tensor:
    """The largest impact in each sample whose flip is among the best: (members, batch, 1), below 0."""
    places = sorted({max(0, flip - 1) for flip in flips.tolist()})
    parted = torch.from_numpy(np.partition(impact.numpy(), places, axis=2))
    last = parted.gather(2, (flips - 1).clamp_min(0).view(-1, 1, 1).expand(-1, impact.shape[1], 1))
    below = -torch.finfo(impact.dtype).tiny
    return torch.where(flips.view(-1, 1, 1) > 0, last.clamp_max(below), -float("inf"))


@torch.no_grad()
def _mean_one(mask: Tensor) -> Tensor:
    """Each sample's mask times L / (number of kept units)."""
    return mask.mul_(mask.shape[2] / mask.sum(2, keepdim=True).clamp_min(1))


def _to_unit_length(vectors: Tensor) -> Tensor:
    """Each sample divided by its L2 length, as :mod:`dta_bench.nn.losses` does."""
    scaled = vectors / vectors.abs().amax(2, keepdim=True).clamp_min(torch.finfo(vectors.dtype).tiny)
    return F.normalize(scaled, dim=2)


def _cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    members, batch = labels.shape
    flat = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
    return flat.view(members, batch).mean(1)
