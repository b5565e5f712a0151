"""SimNet: similarity-based classification (Pinheiro, CVPR 2018).

A second network g makes a prototype of each class, mu_c = mean g(x_s) over the source images of c; an image's logits
are its similarities h_c = (U f(x)) . (V mu_c) to them (Eqs. 1-3). With D as for DANN behind a gradient reversal,
total = CE(h(x_s), label) + gamma * ||P'P - I||^2 + BCE(D(R(f)), domain), P's columns mu_c of unit length (Eqs. 4-8;
the paper does not say how long its prototypes are).
A batch's prototypes are those of its own images; of absent classes, and to predict, running means of past batches'.
f and g start from the same weights; the classifier of the network is not used.

Floor: 3 forward and backward passes (source through both networks, target).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize, one_hot

from dta_bench.errors import within
from dta_bench.nn.domain_adversarial import build_discriminator, dann_ramp, domain_logits, domain_loss, reverse_gradient
from dta_bench.nn.learner import Learner, Parts, Players, Setting, shapes
from dta_bench.nn.network import Labelled, Network, Unlabelled

tasks = ("classification",)


@dataclass(frozen=True)
class Params:
    """Defaults: the paper's gamma, domain weight and rank; the rest ours, as for ``dann``."""

    gamma: float = 0.01
    weight: float = 0.5  # the largest coefficient of the reversed gradient
    rank: int = 512
    keep: float = 0.9  # of the running prototypes
    ramp_rate: float = 10.0
    width: int = 500

    def __post_init__(self) -> None:
        within(self, gamma=(0, inf), weight=(0, inf), rank=(1, inf), keep=(0, 1), ramp_rate=(0, inf), width=(1, inf))


def floor(params: Params) -> float:  # noqa: ARG001
    """The least work of a step, in source-only steps."""
    return 3.0


class Similarity(nn.Module):
    """Bilinear similarities of rank m to K prototypes, which it keeps: (B, units) to (B, K)."""

    prototypes: Tensor

    def __init__(self, units: int, classes: int, rank: int) -> None:
        super().__init__()
        self.of_image, self.of_prototype = (nn.Linear(units, rank, bias=False) for _ in range(2))
        self.register_buffer("prototypes", torch.zeros(classes, units))

    def forward(self, hidden: Tensor, prototypes: Tensor | None = None) -> Tensor:
        """To the given prototypes, or to those kept."""
        to = self.prototypes if prototypes is None else prototypes
        found: Tensor = self.of_image(hidden) @ self.of_prototype(to).T
        return found


class Method(Learner):
    """f and g, the similarity in the place of a classifier, and a discriminator; one optimiser."""

    def __init__(self, net: Network, params: Params, setting: Setting) -> None:
        super().__init__(net, params, setting)
        units = shapes(net, setting.image_shape)[1][1]
        self.similarity = Similarity(units, setting.classes, params.rank)
        self.discriminator = build_discriminator(units, params.width)
        self.second = Network(copy.deepcopy(net.body), copy.deepcopy(net.neck), nn.Identity())
        self.whole = Network(net.body, net.neck, self.similarity, normalisation=net.normalisation)

    @property
    def predictor(self) -> Network:
        """f with the similarity to the running prototypes as its classifier."""
        return self.whole

    def players(self) -> Players:
        """All but the unused classifier."""
        return {"all": [self.whole, self.second, self.discriminator]}

    def loss(self, source: Labelled, target: Unlabelled) -> Parts:
        """Cross-entropy of similarities, the prototypes' regulariser, the domain loss."""
        hidden_s, hidden_t = (self.net.hidden(self.net.features(of.images)) for of in (source, target))
        prototypes = self.prototypes_of(source)
        task = cross_entropy(self.similarity(hidden_s, prototypes), source.labels)
        apart = orthogonality(prototypes)
        strength = self.params.weight * dann_ramp(self.at.done, self.params.ramp_rate)
        seen = (reverse_gradient(hidden, strength) for hidden in (hidden_s, hidden_t))
        domain = domain_loss(*domain_logits(self.discriminator, *seen))
        total = task + self.params.gamma * apart + domain
        return {"total": total, "task": task, "orthogonality": apart, "domain": domain}

    def prototypes_of(self, source: Labelled) -> Tensor:
        """g's class means of a source batch, (K, units), absent classes as kept; the kept ones move on."""
        kept, rows = self.similarity.prototypes, self.second(source.images).float()
        of_class = one_hot(source.labels, len(kept)).to(rows)
        present = of_class.sum(0)[:, None] > 0
        means = (of_class[:, :, None] * rows[:, None]).sum(0) / of_class.sum(0)[:, None].clamp_min(1)
        with torch.no_grad():
            keep = self.params.keep * (kept != 0).any(1, keepdim=True)  # a first mean is taken whole
            before = kept.clone()
            kept.copy_(torch.where(present, keep * kept + (1 - keep) * means, kept))
        return torch.where(present, means, before)


def orthogonality(prototypes: Tensor) -> Tensor:
    """||P'P - I||_F^2 with the prototypes, at unit length, as columns; a scalar."""
    unit = normalize(prototypes.float(), dim=1)
    return (unit[:, None] * unit[None]).sum(2).sub(torch.eye(len(unit), device=unit.device)).square().sum()
