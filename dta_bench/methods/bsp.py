"""BSP: batch spectral penalisation on top of CDAN (Chen et al., ICML 2019, Eqs. 6-7).

total = CDAN + penalty * (s_1(F_s)^2 + s_1(F_t)^2)

with s_1 the largest singular value of a batch's features F (B, L), those that enter the classifier. It keeps few
directions, those that transfer best, from dominating the others, which tell classes apart.

Floor: 2 forward and backward passes (source, target).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor

from dta_bench.errors import within
from dta_bench.methods import cdan
from dta_bench.methods.cdan import floor
from dta_bench.nn.learner import Parts
from dta_bench.nn.network import Labelled, Unlabelled

__all__ = ["Method", "Params", "floor", "tasks"]

tasks = ("classification",)


@dataclass(frozen=True)
class Params(cdan.Params):
    """Defaults: the paper's penalty; CDAN's own."""

    penalty: float = 1e-4  # beta

    def __post_init__(self) -> None:
        super().__post_init__()
        within(self, penalty=(0, inf))


class Method(cdan.Method):
    """CDAN with the penalty."""

    def loss(self, source: Labelled, target: Unlabelled) -> Parts:
        """CDAN's loss, and the penalty of both batches' features."""
        activations_s, activations_t = (self.net.activations(batch.images) for batch in (source, target))
        parts = self.loss_from_activations(activations_s, activations_t, source.labels)
        spectral = largest_squared(activations_s[0]) + largest_squared(activations_t[0])
        return parts | {"total": parts["total"] + self.params.penalty * spectral, "spectral": spectral}


def largest_squared(features: Tensor) -> Tensor:
    """The square of the largest singular value of features (B, L), a scalar."""
    values: Tensor = torch.linalg.svdvals(features.float())
    return values[0].square()
