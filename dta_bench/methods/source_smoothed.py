"""Source-only with smoothed labels: the first stage of SHOT (Liang et al., ICML 2020, Eq. 1).

Cross-entropy on the labelled source, a label being 1 - a for its class plus a / K for each of the K classes.

Floor: 1 forward and backward pass (source).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import cross_entropy

from dta_bench.errors import within
from dta_bench.nn.network import Labelled, Network, Unlabelled

source_alone = True


@dataclass(frozen=True)
class Params:
    """Default: the authors'."""

    label_smoothing: float = 0.1  # a

    def __post_init__(self) -> None:
        within(self, label_smoothing=(0, 1))


def floor(params: Params) -> float:  # noqa: ARG001
    """The least work of a step, in source-only steps."""
    return 1.0


def loss(net: Network, source: Labelled, target: Unlabelled, epoch: int, params: Params) -> dict[str, Tensor]:  # noqa: ARG001
    """Cross-entropy on the source with smoothed labels; pixels labelled 255 do not count. The target is not used."""
    logits = net(source.images)
    task = cross_entropy(logits, source.labels, ignore_index=255, label_smoothing=params.label_smoothing)
    return {"total": task, "task": task}
