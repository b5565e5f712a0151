"""JAN and JAN-A: joint adaptation networks (Long et al., ICML 2017).

The joint distribution of features h and predictions p is aligned by one MMD with the product of their kernels (JMMD,
Eqs. 7-9): five Gaussians on h, exp(-d / 1.68) on p. In JAN-A a linear map of each layer, identity at first, maximises
the discrepancy that the network minimises (Eq. 12), by gradient reversal before and after the map.

total = CE(source) + weight * ramp(q) * JMMD

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
from dta_bench.nn.learner import Learner, Parts, Players, Setting, shapes
from dta_bench.nn.mmd import Bandwidth, mmd_from_kernel, multi_gaussian_kernel, pairwise_squared_distances
from dta_bench.nn.network import Labelled, Network, Unlabelled
from dta_bench.spec.run_spec import Training

tasks = ("classification",)


@dataclass(frozen=True)
class Params:
    """Defaults: JAN-A with weight 1; the width of the kernel on p and the maps' rate are the released code's."""

    weight: float = 1.0
    adversarial: bool = True  # False: JAN
    bandwidth: Bandwidth = "all"
    of_predictions: float = 1.68
    rate: float = 0.1  # of the maps, as a multiple of the network's

    def __post_init__(self) -> None:
        within(self, weight=(0, inf), of_predictions=(1e-6, inf), rate=(0, inf))


def floor(params: Params) -> float:  # noqa: ARG001
    """The least work of a step, in source-only steps."""
    return 2.0


class Method(Learner):
    """The network and the two maps."""

    def __init__(self, net: Network, params: Params, setting: Setting) -> None:
        super().__init__(net, params, setting)
        units = shapes(net, setting.image_shape)[1][net.hidden_axis]
        sizes = (units, setting.classes) if params.adversarial else ()
        self.maps = nn.ModuleList(identity(size) for size in sizes)

    def players(self) -> Players:
        """The maps move at a rate of their own."""
        return {"net": [self.net]} | ({"maps": [self.maps]} if self.params.adversarial else {})

    def training_of(self, player: str) -> Training:
        """A tenth of the rate for the maps."""
        own = self.setting.training
        slower = {"learning_rate": own.learning_rate * self.params.rate}
        return own.model_copy(update=slower) if player == "maps" else own

    def loss(self, source: Labelled, target: Unlabelled) -> Parts:
        """Cross-entropy and the joint discrepancy."""
        (hidden_s, logits_s), (hidden_t, logits_t) = (self.net.activations(of.images) for of in (source, target))
        task = cross_entropy(logits_s, source.labels)
        hidden, p = torch.cat([hidden_s, hidden_t]), torch.cat([logits_s, logits_t]).softmax(1)
        discrepancy = mmd_from_kernel(self.joint_kernel(hidden, p), len(hidden_s))
        weight = self.params.weight * dann_ramp(self.at.done)
        return {"total": task + weight * discrepancy, "task": task, "jmmd": discrepancy}

    def joint_kernel(self, hidden: Tensor, p: Tensor) -> Tensor:
        """The product of both layers' kernels, (N, N)."""
        if self.maps:
            hidden, p = (
                reverse_gradient(of(reverse_gradient(layer, 1)), 1)
                for of, layer in zip(self.maps, (hidden, p), strict=True)
            )
        return multi_gaussian_kernel(hidden, self.params.bandwidth) * torch.exp(
            -pairwise_squared_distances(p) / self.params.of_predictions
        )


def identity(size: int) -> nn.Linear:
    """A linear map that starts as the identity."""
    layer = nn.Linear(size, size)
    nn.init.eye_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
