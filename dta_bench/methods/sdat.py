"""SDAT: smooth domain-adversarial training (Rangwani et al., ICML 2022): the task's loss is sharpness-aware, D's not.

On top of CDAN (``cdan``), with MCC (``mcc``) if asked for. A step, with T = CE(source) + confusion * MCC(target):
g = grad T at the network's weights w; at w + rho g / ||g|| the gradient of T and CDAN's domain loss is taken, and
applied to w (Eqs. 8-9). The discriminator is not moved up. The first pass leaves BatchNorm's statistics alone and draws
the same dropout masks, so that rho = 0 is the host.

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

    rho: float = 0.02
    confusion: float = 0.0  # MCC's weight; 1 in the paper's best host
    temperature: float = 2.5  # MCC's

    def __post_init__(self) -> None:
        super().__post_init__()
        within(self, rho=(0, inf), confusion=(0, inf), temperature=(1e-3, inf))


def floor(params: Params) -> float:
    """The least work of a step, in source-only steps."""
    return 4.0 if params.confusion else 3.0


class Method(cdan.Method):
    """CDAN, whose step looks up the slope of the task's loss first."""

    def step(self, source: Labelled, target: Unlabelled) -> Parts:
        """Up the task's slope by rho, take the gradient there, come back, and step."""
        self.take(source, target)
        with frozen_statistics(self.net), replaying_draws(current_random_state(self.device)):
            self.gradients(("all",), self.task)
        before = self.climb()
        parts = self.gradients(("all",), self.loss)
        with torch.no_grad():
            for weight, value in before:
                weight.copy_(value)
        self.update(("all",))
        return parts

    def task(self, source: Labelled, target: Unlabelled) -> Parts:
        """T, the part of the loss that is made smooth."""
        total = cross_entropy(self.net(source.images), source.labels)
        if self.params.confusion:
            confusion = class_confusion(self.net(target.images), self.params.temperature)
            total = total + self.params.confusion * confusion
        return {"total": total}

    @torch.no_grad()
    def climb(self) -> list[tuple[Tensor, Tensor]]:
        """Move the network's weights by rho along their gradients; the weights with what they were."""
        moved = [(weight, weight.grad) for weight in self.net.parameters() if weight.grad is not None]
        before: list[tuple[Tensor, Tensor]] = [(weight, weight.clone()) for weight, _ in moved]
        scale = self.params.rho / (get_total_norm([gradient for _, gradient in moved]) + 1e-12)
        for weight, gradient in moved:
            weight.add_(scale * gradient)
        return before

    def loss(self, source: Labelled, target: Unlabelled) -> Parts:
        """CDAN's loss, with MCC if asked for."""
        seen_s, seen_t = (self.net.activations(of.images) for of in (source, target))
        parts = self.aligned(seen_s, seen_t, source.labels)
        if self.params.confusion:
            parts["confusion"] = class_confusion(seen_t[1], self.params.temperature)
            parts["total"] = parts["total"] + self.params.confusion * parts["confusion"]
        return parts
