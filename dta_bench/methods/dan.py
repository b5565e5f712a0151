"""DAN: deep adaptation network (Long et al., ICML 2015): features with equal kernel means in both domains.

total = CE(source) + weight * ramp(q) * MMD^2(h_s, h_t) with five Gaussian kernels of bandwidths 1/8 ... 2 times the
mean squared distance, equally weighted (Eqs. 1-4; the paper learns their weights, public code fixes them).
h are the features that enter the classifier, q is the share of the run.

Floor: 2 forward and backward passes (source, target).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from torch.nn.functional import cross_entropy

from dta_bench.errors import within
from dta_bench.nn.domain_adversarial import dann_ramp
from dta_bench.nn.learner import Learner, Parts
from dta_bench.nn.mmd import Bandwidth, Estimator, mk_mmd
from dta_bench.nn.network import Labelled, Unlabelled

tasks = ("classification",)


@dataclass(frozen=True)
class Params:
    """Defaults: weight 1 as in the authors' release; the ramp of DANN keeps the term small in the first steps."""

    weight: float = 1.0
    bandwidth: Bandwidth = "all"
    estimator: Estimator = "biased"  # the released code's "paired" can be negative on small batches
    discrepancy_ramp: bool = True  # False: full weight from the first step

    def __post_init__(self) -> None:
        within(self, weight=(0, inf))


def floor(params: Params) -> float:  # noqa: ARG001
    """The least work of a step, in source-only steps."""
    return 2.0


class Method(Learner):
    """The network alone; the ramp needs to know the share of the run."""

    def loss(self, source: Labelled, target: Unlabelled) -> Parts:
        """Cross-entropy on the source, and MMD^2 of the two batches' features."""
        hidden_s, logits_s = self.net.activations(source.images)
        hidden_t = self.net.hidden(self.net.features(target.images))
        task = cross_entropy(logits_s, source.labels)
        discrepancy = mk_mmd(hidden_s, hidden_t, self.params.bandwidth, self.params.estimator)
        weight = self.params.weight * (dann_ramp(self.at.done) if self.params.discrepancy_ramp else 1.0)
        return {"total": task + weight * discrepancy, "task": task, "mmd": discrepancy}
