"""Heads of one shape trained side by side: their weights, statistics and optimiser states in one tensor each.

A head is a bottleneck (linear, BatchNorm, ReLU, dropout) and a linear classifier on features. A stack has its members
on axis 0. The first linear layer is nearly all of the work: its products are batched, and its gradient is computed from
what comes back at its outputs, with one product for all passes of the same inputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from dta_bench.nn.learner import Learner
from dta_bench.nn.network import Network


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
    """

    def __init__(self, learners: Sequence[Learner]) -> None:
        self.learners = learners
        first = learners[0].net
        self.norm = _norm(first)
        stacked = [torch.stack([one.detach() for one in ones]) for ones in zip(*map(_weights, learners), strict=True)]
        self.weights = [nn.Parameter(one) for one in stacked]
        self.means = torch.stack([_norm(one.net).running_mean for one in learners])  # type: ignore[misc]
        self.variances = torch.stack([_norm(one.net).running_var for one in learners])  # type: ignore[misc]
        self.batches_seen = 0
        self.optimizer = self._stacked_optimizer()
        self._passes: list[tuple[Tensor, Sequence[Tensor]]] = []
        self.weights[0].grad = torch.empty_like(self.weights[0])

    @property
    def width(self) -> int:
        """Units of the bottleneck."""
        return self.weights[0].shape[1]

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
                norm.num_batches_tracked.add_(self.batches_seen)  # type: ignore[union-attr]
        self.batches_seen = 0

    def step(self, losses: Tensor, rate: float) -> None:
        """One step of every member on its own loss, (members,); gradients come by the passes since the last step."""
        outputs = [output for _, outputs in self._passes for output in outputs]
        others = self.weights[2:]
        # a member's weights are in its own loss alone
        gradients = torch.autograd.grad(losses.sum(), [*outputs, *others])
        for weight, gradient in zip(others, gradients[len(outputs) :], strict=True):
            weight.grad = gradient.contiguous()  # a fused optimiser reads both as they lie in memory
        first, bias = self.weights[0].grad, torch.zeros_like(self.weights[1])
        assert first is not None
        at = 0
        with torch.no_grad():
            for number, (rows, parts) in enumerate(self._passes):
                back = gradients[at : at + len(parts)]
                of_rows = back[0] if len(parts) == 1 else torch.cat(back, 1)
                first.baddbmm_(of_rows.transpose(1, 2), rows, beta=float(number > 0))
                bias += of_rows.sum(1)
                at += len(parts)
        self.weights[1].grad = bias
        self._passes = []
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("rate_factor", 1.0)
        self.optimizer.step()

    @torch.no_grad()
    def linear(self, rows: Tensor, parts: int = 1) -> list[Tensor]:
        """The bottleneck's linear layer, whose weights get their gradient by :meth:`step`.

        Args:
            rows: (members, batch, L).
            parts: how many equal parts the batch has.

        Returns:
            The outputs of each part, (members, part, width), leaves that take gradients.
        """
        whole = torch.baddbmm(self.weights[1].unsqueeze(1), rows, self.weights[0].transpose(1, 2))
        outputs = [part.requires_grad_() for part in whole.chunk(parts, 1)]
        self._passes.append((rows, outputs))
        return outputs

    @torch.no_grad()
    def probe(self, rows: Tensor) -> Tensor:
        """The same without a gradient for the weights: (members, batch, width), a leaf."""
        whole = torch.baddbmm(self.weights[1].unsqueeze(1), rows, self.weights[0].transpose(1, 2))
        return whole.requires_grad_()

    @torch.no_grad()
    def to_features(self, of_linear: Tensor) -> Tensor:
        """The gradient at the features, (members, batch, L), from the one at the linear layer's outputs."""
        return torch.bmm(of_linear, self.weights[0])

    def activate(self, linear: Tensor, moves_statistics: bool = False) -> Tensor:
        """BatchNorm by the batch, and ReLU."""
        normal, mean, variance = _Normalise.apply(linear, self.norm.eps)
        if moves_statistics:
            self._move(mean, variance, linear.shape[1])
        return torch.addcmul(self.weights[3].unsqueeze(1), normal, self.weights[2].unsqueeze(1)).relu()

    def _move(self, mean: Tensor, variance: Tensor, count: int) -> None:
        rate = self.norm.momentum
        assert rate is not None
        self.means.lerp_(mean, rate)
        self.variances.lerp_(variance * (count / (count - 1)), rate)
        self.batches_seen += 1

    def classify(self, hidden: Tensor) -> Tensor:
        """Logits, (members, batch, K)."""
        return torch.baddbmm(self.weights[5].unsqueeze(1), hidden, self.weights[4].transpose(1, 2))

    @torch.no_grad()
    def predict(self, rows: Tensor, member: int) -> Tensor:
        """Logits (batch, K) of a member in evaluation mode, for the features (batch, L) that all members share."""
        first, bias, scale, shift, classifier, of_classes = (weight[member] for weight in self.weights)
        scale = scale * torch.rsqrt(self.variances[member] + self.norm.eps)
        shift = shift + (bias - self.means[member]) * scale
        hidden = torch.mm(rows, first.t()).mul_(scale).add_(shift).relu_()
        return torch.addmm(of_classes, hidden, classifier.t())


class _Normalise(torch.autograd.Function):
    """Each unit with mean 0 and variance 1 over the batch, beside its mean and variance, which take no gradient."""

    @staticmethod
    def forward(ctx: Any, linear: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        mean = linear.mean(1, keepdim=True)
        normal = linear - mean
        variance = (normal * normal).mean(1, keepdim=True)
        scale = torch.rsqrt(variance + eps)
        normal *= scale
        ctx.save_for_backward(normal, scale)
        ctx.set_materialize_grads(False)
        mean, variance = mean.squeeze(1), variance.squeeze(1)
        ctx.mark_non_differentiable(mean, variance)
        return normal, mean, variance

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Any) -> Any:
        normal, scale = ctx.saved_tensors
        along = (gradient * normal).mean(1, keepdim=True)
        return (gradient - gradient.mean(1, keepdim=True)).addcmul_(normal, along, value=-1).mul_(scale), None


def dropout_of(learner: Learner) -> float:
    """The rate at which a head's units are dropped."""
    return next(layer.p for layer in learner.net.neck.modules() if isinstance(layer, nn.Dropout))


def _norm(net: Network) -> nn.BatchNorm1d:
    return next(layer for layer in net.neck.modules() if isinstance(layer, nn.BatchNorm1d))


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
