"""DANN: domain-adversarial training by gradient reversal (Ganin & Lempitsky, ICML 2015; Ganin et al., JMLR 2016).

A discriminator D tells the domains apart from the features h that enter the classifier; the features are trained to
fool it: total = CE(source) + weight * BCE(D(R(h)), domain), where R is the identity forwards and -lambda(q) backwards,
lambda(q) = 2 / (1 + exp(-10 q)) - 1 (JMLR Eqs. 13-18) at the share q of the run. For segmentation D sees every pixel of
h by itself.

Floor: 2 forward and backward passes (source, target).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from torch.nn.functional import cross_entropy

from dta_bench.errors import within
from dta_bench.nn.domain_adversarial import (
    as_rows,
    build_discriminator,
    dann_ramp,
    domain_logits,
    domain_loss,
    reverse_gradient,
)
from dta_bench.nn.learner import Learner, Parts, Setting, activation_shapes
from dta_bench.nn.network import Labelled, Network, Unlabelled


@dataclass(frozen=True)
class Params:
    """Defaults: the papers' schedule and weight; the width is ours, for the small networks (papers: 100 and 1024)."""

    weight: float = 1.0  # the largest lambda
    ramp_rate: float = 10.0  # JMLR, Section 5.2.2
    width: int = 500
    discriminator_depth: int = 1  # its hidden layers
    discriminator_norm: bool = False  # whether these have BatchNorm

    def __post_init__(self) -> None:
        within(self, weight=(0, inf), ramp_rate=(0, inf), width=(1, inf), discriminator_depth=(1, inf))


def floor(params: Params) -> float:  # noqa: ARG001
    """The least work of a step, in source-only steps."""
    return 2.0


class Method(Learner):
    """The network and a discriminator with one optimiser; the gradient reversal makes them opponents."""

    def __init__(self, net: Network, params: Params, setting: Setting) -> None:
        super().__init__(net, params, setting)
        units = activation_shapes(net, setting.image_shape)[1][net.hidden_axis]
        self.discriminator = build_discriminator(
            units, params.width, params.discriminator_depth, params.discriminator_norm
        )

    def loss(self, source: Labelled, target: Unlabelled) -> Parts:
        """Cross-entropy on the source, and the domain loss, whose gradient reaches the features reversed."""
        hidden_s, logits_s = self.net.activations(source.images)
        hidden_t = self.net.hidden(self.net.features(target.images))
        strength = self.params.weight * dann_ramp(self.at.done, self.params.ramp_rate)
        rows_s, rows_t = (as_rows(reverse_gradient(h, strength), self.net.hidden_axis) for h in (hidden_s, hidden_t))
        task = cross_entropy(logits_s, source.labels, ignore_index=255)
        domain = domain_loss(*domain_logits(self.discriminator, rows_s, rows_t))
        return {"total": task + domain, "task": task, "domain": domain}
