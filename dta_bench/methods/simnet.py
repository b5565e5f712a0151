"""SimNet: similarity-based classification (Pinheiro, CVPR 2018).

A second network g gives a prototype of each class, mu_c = mean g(x_s) over the source images of class c. An image's
logits are its similarities to the prototypes, h_c = (U f(x)) . (V mu_c) (Eqs. 1-3). With a discriminator D behind a
gradient reversal R, as for DANN,
total = CE(h(x_s), label) + gamma * ||P'P - I||^2 + BCE(D(R(f)), domain), the columns of P being the mu_c scaled to unit
length (Eqs. 4-8; the paper does not say how they are scaled).
In training a class's prototype is its mean over the batch; for classes that the batch does not show, and for
prediction, it is the running mean over past batches. With ``leave_out`` an image's own feature is not in the prototype
that it is held to; one that is alone in its class is held to the running mean. f and g start from the same weights; the
network's own classifier is not used.

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
from dta_bench.nn.learner import Learner, Parts, Players, Setting, activation_shapes
from dta_bench.nn.network import Labelled, Network, Unlabelled

tasks = ("classification",)


@dataclass(frozen=True)
class Params:
    """Defaults: the paper's gamma, domain weight and rank; the rest ours, as for ``dann``."""

    gamma: float = 0.01
    weight: float = 0.5  # the largest coefficient of the reversed gradient
    rank: int = 512
    keep: float = 0.9  # decay of the running prototypes
    ramp_rate: float = 10.0
    width: int = 500  # of the discriminator
    leave_out: bool = False  # whether the prototype of an image's class is the mean of the others

    def __post_init__(self) -> None:
        within(self, gamma=(0, inf), weight=(0, inf), rank=(1, inf), keep=(0, 1), ramp_rate=(0, inf), width=(1, inf))


def floor(params: Params) -> float:  # noqa: ARG001
    """The least work of a step, in source-only steps."""
    return 3.0


class Similarity(nn.Module):
    """Bilinear similarities of rank ``rank`` to K prototypes, from features (B, units) to logits (B, K).

    The buffer ``prototypes`` (K, units) holds the running prototypes.
    """

    prototypes: Tensor

    def __init__(self, units: int, classes: int, rank: int) -> None:
        super().__init__()
        self.of_image, self.of_prototype = (nn.Linear(units, rank, bias=False) for _ in range(2))
        self.register_buffer("prototypes", torch.zeros(classes, units))

    def forward(self, hidden: Tensor, prototypes: Tensor | None = None) -> Tensor:
        """Similarities to the given prototypes (K, units), by default to the running ones."""
        used = self.prototypes if prototypes is None else prototypes
        logits: Tensor = self.of_image(hidden) @ self.of_prototype(used).T
        return logits


class Method(Learner):
    """The networks f (``net``) and g (``second``), the similarity as classifier, and a discriminator; one optimiser."""

    def __init__(self, net: Network, params: Params, setting: Setting) -> None:
        super().__init__(net, params, setting)
        units = activation_shapes(net, setting.image_shape)[1][1]
        self.similarity = Similarity(units, setting.classes, params.rank)
        self.discriminator = build_discriminator(units, params.width)
        self.second = Network(copy.deepcopy(net.body), copy.deepcopy(net.neck), nn.Identity())
        self.whole = Network(net.body, net.neck, self.similarity, normalisation=net.normalisation)

    @property
    def predictor(self) -> Network:
        """f with the similarity to the running prototypes as its classifier."""
        return self.whole

    def players(self) -> Players:
        """Everything but the network's own classifier."""
        return {"all": [self.whole, self.second, self.discriminator]}

    def loss(self, source: Labelled, target: Unlabelled) -> Parts:
        """Cross-entropy of the similarities, the prototypes' regulariser, and the domain loss."""
        hidden_s, hidden_t = (self.net.hidden(self.net.features(batch.images)) for batch in (source, target))
        prototypes, logits = self.prototypes_and_logits(hidden_s, source)
        task = cross_entropy(logits, source.labels)
        regulariser = distance_from_orthonormal(prototypes)
        strength = self.params.weight * dann_ramp(self.at.done, self.params.ramp_rate)
        reversed_s, reversed_t = (reverse_gradient(hidden, strength) for hidden in (hidden_s, hidden_t))
        domain = domain_loss(*domain_logits(self.discriminator, reversed_s, reversed_t))
        total = task + self.params.gamma * regulariser + domain
        return {"total": total, "task": task, "orthogonality": regulariser, "domain": domain}

    def source_only_loss(self, source: Labelled, target: Unlabelled) -> Parts:  # noqa: ARG002
        """Cross-entropy of the similarities, and the prototypes' regulariser."""
        prototypes, logits = self.prototypes_and_logits(self.net.hidden(self.net.features(source.images)), source)
        task = cross_entropy(logits, source.labels)
        regulariser = distance_from_orthonormal(prototypes)
        return {"total": task + self.params.gamma * regulariser, "task": task, "orthogonality": regulariser}

    def prototypes_and_logits(self, hidden: Tensor, source: Labelled) -> tuple[Tensor, Tensor]:
        """The batch's prototypes (K, units), and the similarities (B, K) of its images, with features ``hidden``."""
        before, features = self.similarity.prototypes.clone(), self.second(source.images).float()
        prototypes = self.update_prototypes(features, source.labels)
        logits = self.similarity(hidden, prototypes)
        if self.params.leave_out:
            others = means_of_others(features, source.labels, before)
            own = (self.similarity.of_image(hidden) * self.similarity.of_prototype(others)).sum(1)
            logits = logits.scatter(1, source.labels[:, None], own[:, None].to(logits))
        return prototypes, logits

    def update_prototypes(self, features: Tensor, labels: Tensor) -> Tensor:
        """Compute a batch's prototypes from g's features (B, units) and labels (B,), and update the running ones.

        Returns:
            (K, units): the means of g(x_s) over the batch's images of each class, with a gradient; for absent classes
            the running prototypes as they were.
        """
        running = self.similarity.prototypes
        of_class = one_hot(labels, len(running)).to(features)
        present = of_class.sum(0)[:, None] > 0
        means = (of_class[:, :, None] * features[:, None]).sum(0) / of_class.sum(0)[:, None].clamp_min(1)
        with torch.no_grad():
            keep = self.params.keep * (running != 0).any(1, keepdim=True)  # 0 for a class without a prototype yet
            before = running.clone()
            running.copy_(torch.where(present, keep * running + (1 - keep) * means, running))
        return torch.where(present, means, before)


def means_of_others(features: Tensor, labels: Tensor, running: Tensor) -> Tensor:
    """For each image the mean of the others of its class, (B, units).

    Args:
        features: (B, units).
        labels: (B,).
        running: (K, units), which stand for classes with no other image.
    """
    same = (labels[:, None] == labels[None]).to(features) - torch.eye(len(labels), device=features.device)
    count = same.sum(1, keepdim=True)
    return torch.where(count > 0, same @ features / count.clamp_min(1), running[labels])


def distance_from_orthonormal(prototypes: Tensor) -> Tensor:
    """||P'P - I||_F^2, a scalar; the columns of P are the prototypes (K, units) scaled to unit length."""
    unit = normalize(prototypes.float(), dim=1)
    return (unit[:, None] * unit[None]).sum(2).sub(torch.eye(len(unit), device=unit.device)).square().sum()
