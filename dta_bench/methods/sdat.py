"""SDAT: smooth domain-adversarial training (Rangwani et al., ICML 2022): sharpness-aware for the task's loss only.

It changes the step of CDAN (``cdan``), to which ``confusion`` adds MCC (``mcc``). With the task's loss
T = CE(source) + confusion * MCC(target) and g = grad T at the network's weights w, a step moves w to w + rho g / ||g||,
takes the gradient of T and of CDAN's domain loss there, and applies it to w (Eqs. 8-9). The discriminator's weights are
not moved. The pass that gives g does not update BatchNorm's statistics and draws the same dropout masks as the second,
so that rho = 0 is plain CDAN.

Floor: 3 forward and backward passes (source and target, and the source first; with MCC 4).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.utils import get_total_norm

from dta_bench.errors import within
from dta_bench.methods import cdan
from dta_bench.methods.mcc import class_confusion
from dta_bench.nn.learner import Parts
from dta_bench.nn.network import Labelled, Unlabelled, current_random_state, frozen_statistics, replaying_draws

tasks = ("classification",)


@dataclass(frozen=True)
class Params(cdan.Params):
    """Defaults: the paper's rho with MCC on VisDA and on Office-Home (0.005 on VisDA without MCC); CDAN's own."""

    rho: float = 0.02  # the L2 length of the move
    confusion: float = 0.0  # MCC's weight; 1 in the paper's best host
    temperature: float = 2.5  # MCC's

    def __post_init__(self) -> None:
        super().__post_init__()
        within(self, rho=(0, inf), confusion=(0, inf), temperature=(1e-3, inf))


def floor(params: Params) -> float:
    """The least work of a step, in source-only steps."""
    return 4.0 if params.confusion else 3.0


class Method(cdan.Method):
    """CDAN with a sharpness-aware step."""

    def step(self, source: Labelled, target: Unlabelled) -> Parts:
        """Move the weights by rho along the task's gradient, take the gradient there, move back, and update."""
        self.take(source, target)
        with frozen_statistics(self.net), replaying_draws(current_random_state(self.device)):
            self.gradients(("all",), self.task_loss)
        before = self.move_along_gradient()
        parts = self.gradients(("all",), self.loss)
        with torch.no_grad():
            for weight, value in before:
                weight.copy_(value)
        self.update(("all",))
        return parts

    def task_loss(self, source: Labelled, target: Unlabelled) -> Parts:
        """T, the part of the loss whose sharpness is reduced."""
        total = cross_entropy(self.net(source.images), source.labels)
        if self.params.confusion:
            confusion = class_confusion(self.net(target.images), self.params.temperature)
            total = total + self.params.confusion * confusion
        return {"total": total}

    @torch.no_grad()
    def move_along_gradient(self) -> list[tuple[Tensor, Tensor]]:
        """Move the network's weights by rho along their gradient; returns each weight and its value before."""
        with_gradient = [(weight, weight.grad) for weight in self.net.parameters() if weight.grad is not None]
        before: list[tuple[Tensor, Tensor]] = [(weight, weight.clone()) for weight, _ in with_gradient]
        scale = self.params.rho / (get_total_norm([gradient for _, gradient in with_gradient]) + 1e-12)
        for weight, gradient in with_gradient:
            weight.add_(scale * gradient)
        return before

    def loss(self, source: Labelled, target: Unlabelled) -> Parts:
        """CDAN's loss, plus MCC on the target if ``confusion`` is above 0."""
        activations_s, activations_t = (self.net.activations(batch.images) for batch in (source, target))
        parts = self.loss_from_activations(activations_s, activations_t, source.labels)
        if self.params.confusion:
            parts["confusion"] = class_confusion(activations_t[1], self.params.temperature)
            parts["total"] = parts["total"] + self.params.confusion * parts["confusion"]
        return parts
