"""Heads of one shape trained side by side: their weights in one tensor each, each head's loss as it is alone.

A head is a bottleneck (linear, BatchNorm, ReLU, dropout) and a linear classifier on features. A stack has its members
on axis 0. Random draws are made by each member's own generator, in the order in which it would draw alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dta_bench.nn.adversarial_dropout import flip_budget
from dta_bench.nn.learner import Learner
from dta_bench.nn.network import Network

Parts = dict[str, Tensor]
"""Terms of the losses by name, (members,) each."""


def is_stackable(learner: Learner) -> bool:
    """Whether a learner is such a head on features, trained by one optimiser."""
    net, modules = learner.net, [*learner.net.neck.modules()][1:]
    kinds = (nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Dropout)
    is_head = len(modules) == len(kinds) and all(type(m) is kind for m, kind in zip(modules, kinds, strict=True))
    alone = {id(weight) for weight in learner.parameters()} == {id(weight) for weight in net.parameters()}
    return is_head and type(net.head) is nn.Linear and alone and [*learner.optimizers] == ["all"]


class StackedHeads:
    """The weights, statistics and optimiser states of several learners in one tensor each.

    Args:
        learners: of one shape and one training, all at the same step; :func:`is_stackable`.
        states: the state of each member's random number generator (torch's, of the CPU); is written to.
    """

    def __init__(self, learners: Sequence[Learner], states: list[Tensor]) -> None:
        self.learners, self.states = learners, states
        first = learners[0].net
        self.dropout, self.norm = _dropout(first), _norm(first)
        stacked = [torch.stack([one.detach() for one in ones]) for ones in zip(*map(_weights, learners), strict=True)]
        self.weights = [nn.Parameter(one) for one in stacked]
        self.means = torch.stack([_norm(one.net).running_mean for one in learners])  # type: ignore[misc]
        self.variances = torch.stack([_norm(one.net).running_var for one in learners])  # type: ignore[misc]
        self.optimizer = self._stacked_optimizer()

    def _stacked_optimizer(self) -> torch.optim.Optimizer:
        """The members' optimiser on the stacked weights, with their states and their groups."""
        own = self.learners[0].optimizers["all"]
        number = {id(weight): i for i, weight in enumerate(_weights(self.learners[0]))}
        groups = [
            {**group, "params": [self.weights[number[id(w)]] for w in group["params"]]} for group in own.param_groups
        ]
        optimizer = type(own)([group for group in groups if group["params"]], **_options(own))
        for i, weight in enumerate(self.weights):
            states = [one.optimizers["all"].state.get(_weights(one)[i], {}) for one in self.learners]
            if states[0]:
                optimizer.state[weight] = {key: _stacked_state([state[key] for state in states]) for key in states[0]}
        return optimizer

    def give_back(self) -> None:
        """Write weights, statistics and optimiser states into the learners."""
        for number, learner in enumerate(self.learners):
            norm, optimizer = _norm(learner.net), learner.optimizers["all"]
            with torch.no_grad():
                for own, stacked in zip(_weights(learner), self.weights, strict=True):
                    own.copy_(stacked[number])
                    if stacked in self.optimizer.state:
                        optimizer.state[own] = {
                            key: _own_state(value, number) for key, value in self.optimizer.state[stacked].items()
                        }
                norm.running_mean.copy_(self.means[number])  # type: ignore[union-attr]
                norm.running_var.copy_(self.variances[number])  # type: ignore[union-attr]

    def step(self, losses: Tensor, rate: float) -> None:
        """One step of every member on its own loss, (members,)."""
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(losses.sum())  # a member's weights are in its own loss alone
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("rate_factor", 1.0)
        self.optimizer.step()

    def linear(self, features: Tensor) -> Tensor:
        """The bottleneck's linear layer, (members, batch, width)."""
        return torch.baddbmm(self.weights[1].unsqueeze(1), features, self.weights[0].transpose(1, 2))

    def activate(self, linear: Tensor, moves_statistics: bool = False) -> Tensor:
        """BatchNorm by the batch, and ReLU."""
        mean, variance = linear.mean(1), linear.var(1, unbiased=False)
        if moves_statistics:
            self._move(mean.detach(), variance.detach(), linear.shape[1])
        scale = self.weights[2] * torch.rsqrt(variance + self.norm.eps)
        return torch.relu((linear - mean.unsqueeze(1)) * scale.unsqueeze(1) + self.weights[3].unsqueeze(1))

    def _move(self, mean: Tensor, variance: Tensor, count: int) -> None:
        rate = self.norm.momentum
        assert rate is not None
        self.means.lerp_(mean, rate)
        self.variances.lerp_(variance * (count / (count - 1)), rate)
        for learner in self.learners:
            _norm(learner.net).num_batches_tracked.add_(1)  # type: ignore[union-attr]

    def classify(self, hidden: Tensor) -> Tensor:
        """Logits, (members, batch, K)."""
        return torch.baddbmm(self.weights[5].unsqueeze(1), hidden, self.weights[4].transpose(1, 2))

    def draw_dropout(self, shape: tuple[int, int], draws: Sequence[int]) -> Tensor:
        """Each member's dropout factors, 0 or 1 / keep rate: (most draws, members, *shape).

        Args:
            shape: of one draw.
            draws: how many each member draws; the others are ones.
        """
        ones = torch.ones(shape, dtype=self.weights[0].dtype)
        factors = torch.ones(max(draws), len(self.states), *shape, dtype=ones.dtype)
        before = torch.get_rng_state()
        for member, state in enumerate(self.states):
            torch.set_rng_state(state)
            for draw in range(draws[member]):
                factors[draw, member] = F.dropout(ones, self.dropout)
            self.states[member] = torch.get_rng_state()
        torch.set_rng_state(before)
        return factors


@dataclass(frozen=True)
class DtaPoints:
    """The parameters of each member's DTA: Eq. 6 without VAT, masks that start at ones.

    ``lambda_1`` and ``lambda_2`` are (members,); the deltas are those of this epoch.
    """

    lambda_1: Tensor
    lambda_2: Tensor
    delta_c: tuple[float, ...]
    delta_e: tuple[float, ...]
    per_sample: bool


def source_only_losses(heads: StackedHeads, source: Tensor, labels: Tensor) -> Parts:
    """Cross-entropy on the source.

    Args:
        source: (members, batch, L) features.
        labels: (members, batch).
    """
    members, batch = labels.shape
    factors = heads.draw_dropout((batch, heads.weights[0].shape[1]), [1] * members)
    task = _cross_entropy(heads.classify(factors[0] * heads.activate(heads.linear(source), True)), labels)
    return {"total": task, "task": task}


def dta_losses(heads: StackedHeads, source: Tensor, labels: Tensor, target: Tensor, points: DtaPoints) -> Parts:
    """The terms of ``dta``'s loss for each member, as :func:`dta_bench.methods.dta.loss` computes them for one.

    Args:
        source: (members, batch, L) features.
        labels: (members, batch).
        target: (members, batch, L) features.
    """
    members, batch, units = target.shape
    width = heads.weights[0].shape[1]
    flips_c = torch.tensor([flip_budget(delta, units) for delta in points.delta_c])
    flips_e = torch.tensor([flip_budget(delta, width) for delta in points.delta_e])
    on = ((flips_c > 0) | (flips_e > 0)).tolist()
    drop_s, drop_t, *rest = heads.draw_dropout((batch, width), [3 if one else 2 for one in on])
    linear = heads.linear(torch.cat([source, target], 1))
    task = _cross_entropy(heads.classify(drop_s * heads.activate(linear[:, :batch], True)), labels)
    linear_t = linear[:, batch:]
    active = heads.activate(linear_t, True)
    p = heads.classify(drop_t * active)
    f_dta, c_dta = torch.zeros(members, dtype=p.dtype), torch.zeros(members, dtype=p.dtype)
    if any(on):
        hidden = rest[0] * active  # under ones the neck sees the same features, and draws other dropout
        masks = _adversarial_masks(heads, target, linear_t, p.detach(), rest[0], (flips_c, flips_e))
        f_dta = _under_feature_mask(heads, target, masks[0], rest[0], p, flips_c, points)
        p_c = heads.classify(_mean_one(masks[1]) * hidden)
        c_dta = torch.where(flips_e > 0, _divergence(p, p_c, points.per_sample), c_dta)
    log_p = p.log_softmax(2)
    entropy = -(log_p.exp() * log_p).sum(2).mean(1)
    zero = torch.zeros_like(task)
    total = task + points.lambda_1 * (f_dta + c_dta) + points.lambda_2 * entropy
    return {
        "total": total, "task": task, "f_dta": f_dta, "c_dta": c_dta, "entropy": entropy, "vat": zero,
        "class_balance": zero, "source_consistency": zero,
    }  # fmt: skip


def _adversarial_masks(
    heads: StackedHeads, target: Tensor, linear: Tensor, p: Tensor, drop: Tensor, flips: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """The adversarial masks of CAdD, (members, batch, L), and of EAdD, (members, batch, width); all ones before."""
    frozen = [weight.detach() for weight in heads.weights]
    at = linear.detach().requires_grad_()
    ones_e = torch.ones_like(drop).requires_grad_()
    with _weights_of(heads, frozen):
        hidden = drop * heads.activate(at)
        divergence = _divergence(p, heads.classify(hidden), False).sum()
        divergence = divergence + _divergence(p, heads.classify(ones_e * hidden.detach()), False).sum()
    of_linear, impact_e = torch.autograd.grad(divergence, (at, ones_e))
    impact_c = torch.bmm(of_linear, frozen[0]) * target  # the mask of ones multiplies the features
    return _flip(impact_c, flips[0]), _flip(impact_e, flips[1])


class _weights_of:  # noqa: N801 - reads as a function
    """Within the block a stack computes with other weights."""

    def __init__(self, heads: StackedHeads, weights: list[Tensor]) -> None:
        self._heads, self._weights, self._before = heads, weights, heads.weights

    def __enter__(self) -> None:
        self._heads.weights = self._weights  # type: ignore[assignment]

    def __exit__(self, *_: Any) -> None:
        self._heads.weights = self._before


def _under_feature_mask(
    heads: StackedHeads, target: Tensor, mask: Tensor, drop: Tensor, p: Tensor, flips: Tensor, points: DtaPoints
) -> Tensor:
    """KL(p || p_f) of Eq. 9 of each member; 0 where CAdD flips nothing."""
    p_f = heads.classify(drop * heads.activate(heads.linear(_mean_one(mask) * target)))
    return torch.where(flips > 0, _divergence(p, p_f, points.per_sample), torch.zeros(len(flips), dtype=p.dtype))


def _flip(impact: Tensor, flips: Tensor) -> Tensor:
    """Ones with the bits at zero whose flips gain most: each member's own number of them in each sample."""
    most = int(flips.max())
    mask = torch.ones_like(impact)
    if most == 0:
        return mask
    best = (-impact).topk(most, dim=2)
    is_flipped = (torch.arange(most) < flips.view(-1, 1, 1)) & (best.values > 0)
    return mask.scatter_(2, best.indices, (~is_flipped).to(mask.dtype))


def _mean_one(mask: Tensor) -> Tensor:
    """Each sample's mask times L / (number of kept units)."""
    return mask * (mask.shape[2] / mask.sum(2, keepdim=True).clamp_min(1))


def _divergence(p: Tensor, q: Tensor, per_sample: bool) -> Tensor:
    """KL(p || q) of logits (members, batch, K): (members,), as :func:`dta_bench.nn.losses.kl_divergence`."""
    log_p, log_q = p.log_softmax(2), q.log_softmax(2)
    mean = F.kl_div(log_q, log_p, reduction="none", log_target=True).mean((1, 2))
    return mean * p.shape[2] if per_sample else mean


def _cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    members, batch = labels.shape
    flat = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
    return flat.view(members, batch).mean(1)


def _norm(net: Network) -> nn.BatchNorm1d:
    return next(layer for layer in net.neck.modules() if isinstance(layer, nn.BatchNorm1d))


def _dropout(net: Network) -> float:
    return next(layer.p for layer in net.neck.modules() if isinstance(layer, nn.Dropout))


def _weights(learner: Learner) -> list[nn.Parameter]:
    """Weight and bias of the bottleneck, of its BatchNorm, and of the classifier."""
    return [*learner.net.neck.parameters(), *learner.net.head.parameters()]


def _options(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    known = ("lr", "momentum", "nesterov", "betas", "fused")
    return {key: value for key, value in optimizer.defaults.items() if key in known}


def _stacked_state(values: Sequence[Any]) -> Any:
    """A state of the optimiser: of the shape of a weight it is stacked, a count is the same for all members."""
    first = values[0]
    if not isinstance(first, Tensor):
        return first
    return torch.stack(list(values)) if first.ndim else first.clone()


def _own_state(value: Any, member: int) -> Any:
    if isinstance(value, Tensor):
        return value[member].clone() if value.ndim else value.clone()
    return value
