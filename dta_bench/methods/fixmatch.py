"""FixMatch (Sohn et al., NeurIPS 2020) across domains: a confident prediction of a weak view labels the strong view.

total = CE(source) + weight * mean_B 1(max q > threshold) CE(p_strong, argmax q), q = p_weak without gradient (Eq. 4);
the mean is over the whole batch. With ``teacher``, q comes from a moving average of the weights, as in self-training
with a mean teacher. The first ``warm_up_epochs`` train on the source only.

Floor: 2 forward and backward passes (source, strong target) and 1 forward pass (weak target).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from dta_bench.errors import within
from dta_bench.nn.learner import Learner, Parts, Setting
from dta_bench.nn.network import Labelled, Network, Unlabelled, frozen_statistics
from dta_bench.nn.teachers import frozen_copy, update_moving_average

tasks = ("classification",)
second_view = "strong"


@dataclass(frozen=True)
class Params:
    """Defaults: the paper's weight, threshold and decay; the warm-up is ours, as there is a source to start from."""

    weight: float = 1.0
    threshold: float = 0.95  # 0.8 for VisDA in public re-runs
    warm_up_epochs: int = 1
    teacher: bool = False
    keep: float = 0.999  # decay of the teacher's moving average

    def __post_init__(self) -> None:
        within(self, weight=(0, inf), threshold=(0, 1), warm_up_epochs=(0, inf), keep=(0, 1))


def floor(params: Params) -> float:  # noqa: ARG001
    """The least work of a step, in source-only steps (a forward pass is a third of one)."""
    return 2 + 1 / 3


class Method(Learner):
    """The network and, with ``teacher``, a moving average of it."""

    def __init__(self, net: Network, params: Params, setting: Setting) -> None:
        super().__init__(net, params, setting)
        self.teacher = frozen_copy(net) if params.teacher else None

    def loss(self, source: Labelled, target: Unlabelled) -> Parts:
        """Cross-entropy on the source, and on the target's strong views with a confident label.

        ``own`` is the second cross-entropy, ``sure`` the share of the target batch with a confident label.
        """
        task = cross_entropy(self.net(source.images), source.labels)
        if self.at.epoch <= self.params.warm_up_epochs:
            return {"total": task, "task": task, "own": torch.zeros_like(task), "sure": torch.zeros_like(task)}
        assert target.again is not None
        weak = self._weak_view_logits(target.images)
        own = confident_cross_entropy(weak, self.net(target.again), self.params.threshold)
        sure = (weak.softmax(1).amax(1) > self.params.threshold).float().mean()
        return {"total": task + self.params.weight * own, "task": task, "own": own, "sure": sure}

    @torch.no_grad()
    def _weak_view_logits(self, images: Tensor) -> Tensor:
        """The logits that give labels, in training mode; only the strong view updates BatchNorm's statistics."""
        labeller = self.net if self.teacher is None else self.teacher
        with frozen_statistics(labeller):
            return labeller(images).float()  # type: ignore[no-any-return]

    def after_step(self) -> None:
        """Update the teacher, if there is one."""
        if self.teacher is not None:
            update_moving_average(self.teacher, self.net, self.params.keep)


def confident_cross_entropy(weak: Tensor, strong: Tensor, threshold: float) -> Tensor:
    """Cross-entropy of strong views with the labels that confident weak views give (Eq. 4).

    Args:
        weak: logits (B, K) of the weak views; they get no gradient.
        strong: logits (B, K) of the strong views.
        threshold: a weak view is confident if its highest probability is above it.

    Returns:
        The mean over all B, in nats; images without a confident label count as 0.
    """
    confidence, labels = weak.detach().softmax(1).max(1)
    return ((confidence > threshold) * cross_entropy(strong, labels, reduction="none")).mean()
