"""Self-ensembling: mean teacher with a confidence threshold (French et al., ICLR 2018; MT+CT+TF).

The teacher is the moving average of the student's weights. Each of them sees its own random view of a target image:

    total = CE(source) + weight * [ mean_B 1(max p' > threshold) |p - p'|^2 / K  +  balance * r * CB ]

with p the student's and p' the teacher's prediction, r the share of images above the threshold, and
CB = sum_k BCE(mean_B p_k, 1/K). The teacher runs in training mode; its BatchNorm statistics come from target views
alone. The method predicts with the teacher.

Floor: one forward and backward pass of the source and one of the target, one forward pass of the teacher.
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
tasks = ("classification",)  # on label maps the two views' pixels would not match


@dataclass(frozen=True)
class Params:
    """Defaults: the authors' release, for the small data sets."""

    weight: float = 3.0
    threshold: float = 1 - 10**-1.5
    balance: float = 0.005  # the authors take 0 on digit pairs except MNIST to SVHN
    alpha: float = 0.99  # decay of the teacher's moving average

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
        """Cross-entropy on the source; on the target agreement with a confident teacher, and class balance."""
        task = cross_entropy(self.net(source.images), source.labels)
        p = self.net(target.images).softmax(1)
        with torch.no_grad():
            p_teacher = self.teacher(target.again).softmax(1)
        agreement, confident = consistency(p, p_teacher, self.params.threshold)
        balance = class_balance_bce(p)
        total = task + self.params.weight * (agreement + self.params.balance * confident * balance)
        return {"total": total, "task": task, "consistency": agreement, "sure": confident, "balance": balance}

    def after_step(self) -> None:
        """Update the teacher."""
        update_moving_average(self.teacher, self.net, self.params.alpha)


def consistency(p: Tensor, p_teacher: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    """Squared difference of student and teacher where the teacher is confident.

    Args:
        p: the student's probabilities (B, K).
        p_teacher: the teacher's (B, K).
        threshold: the teacher is confident if its highest probability is above it.

    Returns:
        The mean over the classes and the *whole* batch, images without a confident teacher counting as 0; and the share
        of images with a confident teacher.
    """
    confident = (p_teacher.amax(1) > threshold).to(p.dtype)
    return (confident * (p - p_teacher).square().mean(1)).mean(), confident.mean()


def class_balance_bce(p: Tensor) -> Tensor:
    """sum_k BCE(mean_B p_k, 1/K) of probabilities (B, K), a scalar; smallest where the mean prediction is uniform."""
    mean = p.float().mean(0)
    uniform = torch.full_like(mean, 1 / len(mean))
    return -(uniform * mean.clamp_min(1e-8).log() + (1 - uniform) * (1 - mean).clamp_min(1e-8).log()).sum()
