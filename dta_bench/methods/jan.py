"""JAN and JAN-A: joint adaptation networks (Long et al., ICML 2017).

The joint distributions of features h and predictions p are aligned by one MMD, with the product of their kernels (JMMD,
Eqs. 7-9): a sum of five Gaussians for h, exp(-d / 1.68) for p, d the squared distance. In JAN-A a linear map of h and
one of p, which start as the identity, maximise the discrepancy that the network minimises (Eq. 12): the gradient is
reversed before and after each map.

total = CE(source) + weight * ramp(q) * JMMD, at the share q of the run

Floor: 2 forward and backward passes (source, target).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dta_bench.errors import within
from dta_bench.nn.domain_adversarial import dann_ramp, reverse_gradient
from dta_bench.nn.learner import Learner, Parts, Players, Setting, activation_shapes
from dta_bench.nn.mmd import Bandwidth, mmd_from_kernel, multi_gaussian_kernel, pairwise_squared_distances
from dta_bench.nn.network import Labelled, Network, Unlabelled
from dta_bench.spec.run_spec import Training

tasks = ("classification",)


@dataclass(frozen=True)
class Params:
    """Defaults: JAN-A with weight 1; the width of the kernel of p and the maps' rate as in the released code."""

    weight: float = 1.0
    adversarial: bool = True  # False: JAN
    bandwidth: Bandwidth = "all"
    of_predictions: float = 1.68  # the width of the kernel of p
    rate: float = 0.1  # learning rate of the maps, as a multiple of the network's
    discrepancy_ramp: bool = True  # False: full weight from the first step

    def __post_init__(self) -> None:
        within(self, weight=(0, inf), of_predictions=(1e-6, inf), rate=(0, inf))


def floor(params: Params) -> float:  # noqa: ARG001
    """The least work of a step, in source-only steps."""
    return 2.0


class Method(Learner):
    """The network and, for JAN-A, the maps of features and of predictions."""

    def __init__(self, net: Network, params: Params, setting: Setting) -> None:
        super().__init__(net, params, setting)
        units = activation_shapes(net, setting.image_shape)[1][net.hidden_axis]
        sizes = (units, setting.classes) if params.adversarial else ()
        self.maps = nn.ModuleList(identity_layer(size) for size in sizes)

    def players(self) -> Players:
        """The network and the maps have an optimiser each."""
        return {"net": [self.net]} | ({"maps": [self.maps]} if self.params.adversarial else {})

    def training_of(self, player: str) -> Training:
        """The maps have ``rate`` times the learning rate of the network."""
        training = self.setting.training
        slower = {"learning_rate": training.learning_rate * self.params.rate}
        return training.model_copy(update=slower) if player == "maps" else training

    def loss(self, source: Labelled, target: Unlabelled) -> Parts:
        """Cross-entropy on the source, and JMMD of the two batches."""
        (hidden_s, logits_s), (hidden_t, logits_t) = (self.net.activations(of.images) for of in (source, target))
        task = cross_entropy(logits_s, source.labels)
        hidden, p = torch.cat([hidden_s, hidden_t]), torch.cat([logits_s, logits_t]).softmax(1)
        discrepancy = mmd_from_kernel(self.joint_kernel(hidden, p), len(hidden_s))
        weight = self.params.weight * (dann_ramp(self.at.done) if self.params.discrepancy_ramp else 1.0)
        return {"total": task + weight * discrepancy, "task": task, "jmmd": discrepancy}

    def joint_kernel(self, hidden: Tensor, p: Tensor) -> Tensor:
        """The product of both layers' kernels, (N, N), for features (N, L) and probabilities (N, K) of both domains."""
        if self.maps:
            hidden, p = (
                reverse_gradient(linear(reverse_gradient(layer, 1)), 1)
                for linear, layer in zip(self.maps, (hidden, p), strict=True)
            )
        return multi_gaussian_kernel(hidden, self.params.bandwidth) * torch.exp(
            -pairwise_squared_distances(p) / self.params.of_predictions
        )


def identity_layer(size: int) -> nn.Linear:
    """A linear map that starts as the identity."""
    layer = nn.Linear(size, size)
    nn.init.eye_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
