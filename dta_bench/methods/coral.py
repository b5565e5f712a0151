"""Deep CORAL: the covariances of both domains' batches are aligned (Sun & Saenko, ECCV Workshops 2016, Eqs. 1-4).

total = CE(source) + weight * ||C_s - C_t||_F^2 / (4 d^2)

with the unbiased covariances C (d, d) of the logits, or of the features that enter the classifier.

Floor: 2 forward and backward passes (source, target).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Literal, get_args

from torch import Tensor
from torch.nn.functional import cross_entropy

from dta_bench.errors import one_of, within
from dta_bench.nn.network import Labelled, Network, Unlabelled

tasks = ("classification",)
Of = Literal["logits", "features"]


@dataclass(frozen=True)
class Params:
    """Defaults: the last layer's output, as in the paper, which does not print its weight."""

    weight: float = 1.0
    of: Of = "logits"

    def __post_init__(self) -> None:
        within(self, weight=(0, inf))
        one_of(self, of=get_args(Of))


def floor(params: Params) -> float:  # noqa: ARG001
    """The least work of a step, in source-only steps."""
    return 2.0


def loss(net: Network, source: Labelled, target: Unlabelled, epoch: int, params: Params) -> dict[str, Tensor]:  # noqa: ARG001
    """Cross-entropy on the source, and the distance of the two batches' covariances."""
    (hidden_s, logits_s), (hidden_t, logits_t) = (net.activations(of.images) for of in (source, target))
    task = cross_entropy(logits_s, source.labels)
    distance = coral(logits_s, logits_t) if params.of == "logits" else coral(hidden_s, hidden_t)
    return {"total": task + params.weight * distance, "task": task, "coral": distance}


def coral(rows_s: Tensor, rows_t: Tensor) -> Tensor:
    """The squared distance of the covariances of rows (B, d) and (M, d), divided by 4 d^2 (Eq. 1), a scalar."""
    difference = _covariance(rows_s.float()) - _covariance(rows_t.float())
    return difference.square().sum() / (4 * rows_s.shape[1] ** 2)


def _covariance(rows: Tensor) -> Tensor:
    """The unbiased covariance of rows (B, d); ``torch.cov`` reads values, which a count of FLOPs has none of."""
    centred = rows - rows.mean(0)
    return centred.T @ centred / (len(rows) - 1)
