"""CDAN+E: conditional adversarial alignment with entropy conditioning (Long et al., NeurIPS 2018).

The discriminator D reads T(h, p), all products of features and class probabilities (Eqs. 4-6; randomised where there
are more than 4096), so that the domains are aligned class by class. Confident predictions weigh more:
total = CE(source) + weight * E[w BCE(D(R(T(h, p))), domain)], w = 1 + exp(-H(p)) (Eq. 8), scaled to mean 1 in each
domain. p and w get no gradient. R reverses the gradient with DANN's ramp.

Floor: 2 forward and backward passes (source, target).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from torch import Tensor
from torch.nn.functional import cross_entropy

from dta_bench.errors import within
from dta_bench.nn.domain_adversarial import (
    MultilinearMap,
    as_rows,
    build_discriminator,
    dann_ramp,
    domain_logits,
    domain_loss,
    entropy_weights,
    reverse_gradient,
)  # fmt: skip
from dta_bench.nn.learner import Learner, Parts, Setting, activation_shapes
from dta_bench.nn.network import Labelled, Network, Unlabelled

tasks = ("classification",)


@dataclass(frozen=True)
class Params:
    """Defaults: the authors' release for digits (weight 1, width 500); the ramp over the whole run, as for DANN."""

    weight: float = 1.0
    entropy: bool = True  # False: CDAN
    width: int = 500  # of the discriminator, and of the randomised map
    ramp_rate: float = 10.0
    discriminator_depth: int = 1  # its hidden layers
    discriminator_norm: bool = False  # whether these have BatchNorm

    def __post_init__(self) -> None:
        within(self, weight=(0, inf), width=(1, inf), ramp_rate=(0, inf), discriminator_depth=(1, inf))


def floor(params: Params) -> float:  # noqa: ARG001
    """The least work of a step, in source-only steps."""
    return 2.0


class Method(Learner):
    """The network, a discriminator, and the multilinear map, whose random matrices (if any) are drawn once."""

    def __init__(self, net: Network, params: Params, setting: Setting) -> None:
        super().__init__(net, params, setting)
        units = activation_shapes(net, setting.image_shape)[1][net.hidden_axis]
        self.map = MultilinearMap(units, setting.classes, params.width)
        self.discriminator = build_discriminator(
            self.map.size, params.width, params.discriminator_depth, params.discriminator_norm
        )

    def loss(self, source: Labelled, target: Unlabelled) -> Parts:
        """Cross-entropy on the source, and the domain loss of T(h, p), whose gradient reaches the features reversed."""
        activations_s, activations_t = (self.net.activations(batch.images) for batch in (source, target))
        return self.loss_from_activations(activations_s, activations_t, source.labels)

    def loss_from_activations(
        self, activations_s: tuple[Tensor, Tensor], activations_t: tuple[Tensor, Tensor], labels: Tensor
    ) -> Parts:
        """The loss, given the features (B, L) and logits (B, K) of each domain and the source's labels (B,)."""
        (hidden_s, logits_s), (hidden_t, logits_t) = activations_s, activations_t
        p_s, p_t = (logits.detach().softmax(1) for logits in (logits_s, logits_t))
        weights = (entropy_weights(p_s), entropy_weights(p_t)) if self.params.entropy else (None, None)
        rows_s, rows_t = self._discriminator_input(hidden_s, p_s), self._discriminator_input(hidden_t, p_t)
        domain = domain_loss(*domain_logits(self.discriminator, rows_s, rows_t), *weights)
        task = cross_entropy(logits_s, labels)
        return {"total": task + domain, "task": task, "domain": domain}

    def _discriminator_input(self, hidden: Tensor, p: Tensor) -> Tensor:
        strength = self.params.weight * dann_ramp(self.at.done, self.params.ramp_rate)
        mapped: Tensor = self.map(as_rows(reverse_gradient(hidden, strength), self.net.hidden_axis), p)
        return mapped
