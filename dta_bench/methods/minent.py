"""MinEnt: entropy minimisation on label maps (Vu et al., CVPR 2019).

total = CE(source) + weight * mean over target pixels of H(p) / log K (Eqs. 2-4).

Floor: 2 forward and backward passes (source, target).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, log

from torch import Tensor
from torch.nn.functional import cross_entropy

from dta_bench.errors import within
from dta_bench.nn.losses import conditional_entropy
from dta_bench.nn.network import Labelled, Network, Unlabelled

tasks = ("segmentation",)


@dataclass(frozen=True)
class Params:
    """Default: the authors', for GTA5 to Cityscapes."""

    weight: float = 0.001

    def __post_init__(self) -> None:
        within(self, weight=(0, inf))


def floor(params: Params) -> float:  # noqa: ARG001
    """The least work of a step, in source-only steps."""
    return 2.0


def loss(net: Network, source: Labelled, target: Unlabelled, epoch: int, params: Params) -> dict[str, Tensor]:  # noqa: ARG001
    """Cross-entropy on the source (pixels labelled 255 do not count), and the normalised entropy on the target.

    The entropy is divided by log K, so that it lies between 0 and 1. The epoch is not used.
    """
    task = cross_entropy(net(source.images), source.labels, ignore_index=255)
    logits = net(target.images)
    entropy = conditional_entropy(logits.float()) / log(logits.shape[1])
    return {"total": task + params.weight * entropy, "task": task, "entropy": entropy}
