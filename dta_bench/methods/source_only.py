"""Source-only: cross-entropy on the labelled source, without any adaptation."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import cross_entropy

from dta_bench.nn.network import Labelled, Network, Unlabelled

source_alone = True


@dataclass(frozen=True)
class Params:
    """It has no parameters."""


def floor(params: Params) -> float:  # noqa: ARG001
    """The least work of a step, in source-only steps."""
    return 1.0


def loss(net: Network, source: Labelled, target: Unlabelled, epoch: int, params: Params) -> dict[str, Tensor]:  # noqa: ARG001
    """Cross-entropy on the source (Eq. 7 of Drop to Adapt); pixels labelled 255 do not count.

    The target, the epoch and the parameters are not used.

    Returns:
        ``total`` and ``task``, the same scalar in nats.
    """
    task = cross_entropy(net(source.images), source.labels, ignore_index=255)
    return {"total": task, "task": task}
