"""AFN: adaptive feature norm (Xu et al., ICCV 2019): features of larger norm transfer better, so norms are enlarged.

total = CE(source) + weight * (L(f_s) + L(f_t)), f the features that enter the classifier. Stepwise (SAFN):
L(f) = mean (||f|| - stop(||f||) - step)^2 (Eq. 6), where stop blocks the gradient; the value is always step^2, and the
gradient enlarges every norm. Hard (HAFN, ``radius`` above 0): L(f) = (mean ||f|| - radius)^2 (Eq. 4).

Floor: 2 forward and backward passes (source, target; the target's without the classifier).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from torch import Tensor
from torch.linalg import vector_norm
from torch.nn.functional import cross_entropy

from dta_bench.errors import within
from dta_bench.nn.network import Labelled, Network, Unlabelled

tasks = ("classification",)


@dataclass(frozen=True)
class Params:
    """Defaults: the authors' for Office-31 (VisDA: weight 0.01, step 0.3; HAFN: radius 25)."""

    weight: float = 0.05
    step: float = 1.0
    radius: float = 0.0

    def __post_init__(self) -> None:
        within(self, weight=(0, inf), step=(0, inf), radius=(0, inf))


def floor(params: Params) -> float:  # noqa: ARG001
    """The least work of a step, in source-only steps."""
    return 2.0


def loss(net: Network, source: Labelled, target: Unlabelled, epoch: int, params: Params) -> dict[str, Tensor]:  # noqa: ARG001
    """Cross-entropy on the source, and the norm terms of both domains.

    ``length`` is the mean norm of the target's features: SAFN's own terms have a constant value.
    """
    hidden_s, logits_s = net.activations(source.images)
    hidden_t = net.hidden(net.features(target.images))
    task = cross_entropy(logits_s, source.labels)
    norms = sum(norm_loss(hidden, params) for hidden in (hidden_s, hidden_t))
    length = hidden_t.detach().float().flatten(1).norm(dim=1).mean()
    return {"total": task + params.weight * norms, "task": task, "length": length}


def norm_loss(features: Tensor, params: Params) -> Tensor:
    """L of features (B, L), a scalar (Eq. 4 or 6); a feature of norm 0 gets no gradient."""
    lengths = vector_norm(features.float().flatten(1), dim=1)
    if params.radius:
        return (lengths.mean() - params.radius).square()  # type: ignore[no-any-return]
    return (lengths - lengths.detach() - params.step).square().mean()  # type: ignore[no-any-return]
