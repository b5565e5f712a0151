"""Self-ensembling: mean teacher with a confidence threshold (French et al., ICLR 2018; MT+CT+TF).

The teacher is the average of the student's past weights; both see a view of their own of each target image:

    total = CE(source) + weight * [ mean_B 1(max p' > threshold) |p - p'|^2 / K  +  balance * r * CB ]

p the student's, p' the teacher's prediction, r the share above the threshold, CB = sum_k BCE(mean_B p_k, 1/K). The
teacher runs in training mode; its BatchNorm statistics come from target views alone. It is what predicts.

Floor: source and target one forward and backward pass each; the teacher one forward pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from dta_bench.errors import within
from dta_bench.nn.learner import Learner, Parts, Setting
from dta_bench.nn.network import Labelled, Network, Unlabelled
from dta_bench.nn.teachers import frozen_copy, update_moving_average

second_view = "again"
tasks = ("classification",)  # two views of a label map are not aligned


@dataclass(frozen=True)
class Params:
    """Defaults: the authors' release, for the small data sets."""

    weight: float = 3.0
    threshold: float = 1 - 10**-1.5
    balance: float = 0.005  # 0 on their digit pairs but MNIST to SVHN
    alpha: float = 0.99

    def __post_init__(self) -> None:
        within(self, weight=(0, inf), threshold=(0, 1), balance=(0, inf), alpha=(0, 1))


def floor(params: Params) -> float:  # noqa: ARG001
    """The least work of a step, in source-only steps (a forward pass is a third of one)."""
    return 2 + 1 / 3


class Method(Learner):
    """The student and its teacher."""

    def __init__(self, net: Network, params: Params, setting: Setting) -> None:
        super().__init__(net, params, setting)
        self.teacher = frozen_copy(net)

    @property
    def predictor(self) -> Network:
        """The teacher."""
        return self.teacher

    def loss(self, source: Labelled, target: Unlabelled) -> Parts:
        """Cross-entropy, agreement with the teacher where it is sure, and balance."""
        task = cross_entropy(self.net(source.images), source.labels)
        p = self.net(target.images).softmax(1)
        with torch.no_grad():
            p_teacher = self.teacher(target.again).softmax(1)
        agreement, sure = consistency(p, p_teacher, self.params.threshold)
        balance = uniformity(p)
        total = task + self.params.weight * (agreement + self.params.balance * sure * balance)
        return {"total": total, "task": task, "consistency": agreement, "sure": sure, "balance": balance}

    def after_step(self) -> None:
        """The teacher follows."""
        update_moving_average(self.teacher, self.net, self.params.alpha)


def consistency(p: Tensor, p_teacher: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    """Mean squared difference over the classes, where the teacher is sure, as a mean over the *whole* batch; the share
    that is sure."""
    sure = (p_teacher.amax(1) > threshold).to(p.dtype)
    return (sure * (p - p_teacher).square().mean(1)).mean(), sure.mean()


def uniformity(p: Tensor) -> Tensor:
    """sum_k BCE(mean_B p_k, 1/K), smallest where the mean prediction is uniform."""
    mean = p.float().mean(0)
    uniform = torch.full_like(mean, 1 / len(mean))
    return -(uniform * mean.clamp_min(1e-8).log() + (1 - uniform) * (1 - mean).clamp_min(1e-8).log()).sum()
