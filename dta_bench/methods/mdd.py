"""MDD: margin disparity discrepancy (Zhang et al., ICML 2019): a second classifier finds where the domains part.

h is the classifier, h' another of its kind, y = argmax h(x). h' minimises
D = gamma * CE(h'(x_s), y_s) - E log(1 - softmax(h'(x_t))[y_t]),
agreeing with h on the source and disagreeing on the target; the features maximise D through gradient reversal
(Eqs. 28-30): total = CE(h(x_s), label) + D(R(features)). gamma is exp(margin). h itself sees only the cross-entropy.

Floor: 2 forward and backward passes (source, target), and twice a second head.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from dta_bench.errors import within
from dta_bench.nn.domain_adversarial import dann_ramp, reverse_gradient
from dta_bench.nn.learner import Learner, Parts, Setting
from dta_bench.nn.network import Labelled, Network, Unlabelled
from dta_bench.nn.teachers import reinitialised_copy

tasks = ("classification",)


@dataclass(frozen=True)
class Params:
    """Defaults: the authors' for Office-31 and VisDA; their ramp in iterations is one in shares of the run here."""

    gamma: float = 4.0
    reversal: float = 0.1  # the largest coefficient of the reversed gradient
    ramp_rate: float = 10.0

    def __post_init__(self) -> None:
        within(self, gamma=(0, inf), reversal=(0, inf), ramp_rate=(0, inf))


def floor(params: Params) -> float:  # noqa: ARG001
    """The least work of a step, in source-only steps."""
    return 2.0


class Method(Learner):
    """The network and a second head like its own, one optimiser: the reversal makes features and h' opponents."""

    def __init__(self, net: Network, params: Params, setting: Setting) -> None:
        super().__init__(net, params, setting)
        self.adversary = reinitialised_copy(net.head)

    def loss(self, source: Labelled, target: Unlabelled) -> Parts:
        """Cross-entropy, and the disparity whose gradient arrives at the features reversed."""
        (hidden_s, logits_s), (hidden_t, logits_t) = (self.net.activations(of.images) for of in (source, target))
        strength = self.params.reversal * dann_ramp(self.at.done, self.params.ramp_rate)
        other_s, other_t = (self.adversary(reverse_gradient(hidden, strength)) for hidden in (hidden_s, hidden_t))
        task = cross_entropy(logits_s, source.labels)
        disparity = margin_disparity(logits_s, other_s, logits_t, other_t, self.params.gamma)
        return {"total": task + disparity, "task": task, "disparity": disparity}


def margin_disparity(main_s: Tensor, other_s: Tensor, main_t: Tensor, other_t: Tensor, gamma: float) -> Tensor:
    """D from the logits (B, K) of h and h' on both domains, a scalar; no gradient goes to h."""
    on_source = cross_entropy(other_s, main_s.argmax(1))
    chosen = one_hot(main_t.argmax(1), main_t.shape[1]).bool()
    the_rest = other_t.masked_fill(chosen, -inf).logsumexp(1)
    return gamma * on_source + (other_t.logsumexp(1) - the_rest).mean()  # log(1 - p) without the cancellation
