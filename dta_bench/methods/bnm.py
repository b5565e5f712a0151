"""BNM: batch nuclear-norm maximisation (Cui et al., CVPR 2020): target predictions should be confident and diverse.

total = CE(source) - weight * ||P||_* / B, P the (B, K) matrix of a target batch's predictions. Its nuclear norm, the
sum of its singular values, grows with the confidence of the predictions and with their rank (Eqs. 8-10). ``fast`` takes
the sum of the min(B, K) largest column lengths instead (Cui et al., 2021, FBNM), which needs no SVD.

Floor: 2 forward and backward passes (source, target).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from dta_bench.errors import one_of, within
from dta_bench.nn.network import Labelled, Network, Unlabelled

tasks = ("classification",)
Divisor = Literal["batch", "rank"]


@dataclass(frozen=True)
class Params:
    """Defaults: the paper's form and weight; the authors' release divides by ``rank``, min(B, K), instead of B."""

    weight: float = 1.0
    divisor: Divisor = "batch"
    fast: bool = False

    def __post_init__(self) -> None:
        within(self, weight=(0, inf))
        one_of(self, divisor=get_args(Divisor))


def floor(params: Params) -> float:  # noqa: ARG001
    """The least work of a step, in source-only steps."""
    return 2.0


def loss(net: Network, source: Labelled, target: Unlabelled, epoch: int, params: Params) -> dict[str, Tensor]:  # noqa: ARG001
    """Cross-entropy on the source, minus the weighted norm of the target batch's predictions."""
    task = cross_entropy(net(source.images), source.labels)
    p = net(target.images).float().softmax(1)
    norm = fast_nuclear_norm(p) if params.fast else nuclear_norm(p)
    norm = norm / (len(p) if params.divisor == "batch" else min(p.shape))
    return {"total": task - params.weight * norm, "task": task, "nuclear_norm": norm}


def nuclear_norm(p: Tensor) -> Tensor:
    """The sum of the singular values of probabilities (B, K), at most sqrt(B min(B, K)).

    ``p`` must be float32 or float64, as torch has no SVD in half precision.
    """
    return torch.linalg.svdvals(p).sum()  # type: ignore[no-any-return]


def fast_nuclear_norm(p: Tensor) -> Tensor:
    """The sum of the min(B, K) largest column lengths of ``p`` (B, K); the nuclear norm if all rows are one-hot."""
    return p.square().sum(0).clamp_min(1e-12).sqrt().topk(min(p.shape)).values.sum()
