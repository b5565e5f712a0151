"""MCC: minimum class confusion (Jin et al., ECCV 2020): a target image should not be likely for two classes at once.

With P = softmax(z / T) of a target batch and w_i = B (1 + exp(-H(P_i))) / sum_j (1 + exp(-H(P_j))) (Eqs. 1-3), the
confusion of classes is M = P' diag(w) P, each row divided by its sum (Eqs. 4-5), and
total = CE(source) + weight * (1 - tr(M) / K) (Eqs. 6-7). w gets no gradient.

Floor: 2 forward and backward passes (source, target).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from torch import Tensor
from torch.nn.functional import cross_entropy

from dta_bench.errors import within
from dta_bench.nn.domain_adversarial import entropy_weights
from dta_bench.nn.network import Labelled, Network, Unlabelled

tasks = ("classification",)


@dataclass(frozen=True)
class Params:
    """Defaults: the paper's weight, and its temperature for Office-31 (3 for VisDA in the authors' release)."""

    weight: float = 1.0
    temperature: float = 2.5

    def __post_init__(self) -> None:
        within(self, weight=(0, inf), temperature=(1e-3, inf))


def floor(params: Params) -> float:  # noqa: ARG001
    """The least work of a step, in source-only steps."""
    return 2.0


def loss(net: Network, source: Labelled, target: Unlabelled, epoch: int, params: Params) -> dict[str, Tensor]:  # noqa: ARG001
    """Cross-entropy on the source, and the class confusion of the target batch."""
    task = cross_entropy(net(source.images), source.labels)
    confusion = class_confusion(net(target.images), params.temperature)
    return {"total": task + params.weight * confusion, "task": task, "confusion": confusion}


def class_confusion(logits: Tensor, temperature: float) -> Tensor:
    """The class confusion 1 - tr(M) / K (Eqs. 1-7) of logits (B, K), a scalar from 0 to 1 - 1/K.

    Only the diagonal of M is computed. Row k of M sums to sum_i w_i p_ik, because each image's probabilities sum to 1.
    """
    p = (logits.float() / temperature).softmax(1)
    weighted = entropy_weights(p)[:, None] * p
    return 1 - ((weighted * p).sum(0) / (weighted.sum(0) + 1e-8)).mean()
