"""AdaBN: source-only, measured with BatchNorm's statistics of the target (Li et al., 2016).

The network is trained on the source alone. Before each measurement the running statistics of all BatchNorm layers are
estimated on target train, unlabelled; the weights stay as they are.

Floor: 1 forward and backward pass (source).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch.nn.functional import cross_entropy

from dta_bench.nn.learner import Learner, Parts
from dta_bench.nn.network import Labelled, Unlabelled

source_alone = True


@dataclass(frozen=True)
class Params:
    """It has no parameters."""


def floor(params: Params) -> float:  # noqa: ARG001
    """The least work of a step, in source-only steps."""
    return 1.0


class Method(Learner):
    """The network of source-only."""

    @property
    def restates_statistics(self) -> bool:
        """It is what the method is."""
        return True

    def loss(self, source: Labelled, target: Unlabelled) -> Parts:  # noqa: ARG002 - the target's images move no weight
        """Cross-entropy on the source; pixels labelled 255 do not count."""
        task = cross_entropy(self.net(source.images), source.labels, ignore_index=255)
        return {"total": task, "task": task}
