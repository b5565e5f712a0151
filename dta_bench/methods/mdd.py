"""MDD: margin disparity discrepancy (Zhang et al., ICML 2019): a second classifier measures how the domains differ.

h is the classifier, h' a second one like it, and y = argmax h(x). h' minimises
D = gamma * CE(h'(x_s), y_s) - E log(1 - softmax(h'(x_t))[y_t]),
so that it agrees with h on the source and disagrees on the target. The features maximise D by gradient reversal R
(Eqs. 28-30): total = CE(h(x_s), label) + D(R(features)). gamma is exp(margin). h gets a gradient from the cross-entropy
only.

Floor: 2 forward and backward passes (source, target), and two of a second head.
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
    """Defaults: the authors' for Office-31 and VisDA; their ramp counts iterations, ours the share of the run."""

    gamma: float = 4.0
    reversal: float = 0.1  # the largest coefficient of the reversed gradient
    ramp_rate: float = 10.0

    def __post_init__(self) -> None:
        within(self, gamma=(0, inf), reversal=(0, inf), ramp_rate=(0, inf))


def floor(params: Params) -> float:  # noqa: ARG001
    """The least work of a step, in source-only steps."""
    return 2.0


class Method(Learner):
    """The network and a second head h', with one optimiser; the reversal makes the features and h' opponents."""

    def __init__(self, net: Network, params: Params, setting: Setting) -> None:
        super().__init__(net, params, setting)
        self.adversary = reinitialised_copy(net.head)

    def loss(self, source: Labelled, target: Unlabelled) -> Parts:
        """Cross-entropy on the source, and the disparity D, whose gradient reaches the features reversed."""
        (hidden_s, logits_s), (hidden_t, logits_t) = (self.net.activations(of.images) for of in (source, target))
        strength = self.params.reversal * dann_ramp(self.at.done, self.params.ramp_rate)
        other_s, other_t = (self.adversary(reverse_gradient(hidden, strength)) for hidden in (hidden_s, hidden_t))
        task = cross_entropy(logits_s, source.labels)
        disparity = margin_disparity(logits_s, other_s, logits_t, other_t, self.params.gamma)
        return {"total": task + disparity, "task": task, "disparity": disparity}


def margin_disparity(main_s: Tensor, other_s: Tensor, main_t: Tensor, other_t: Tensor, gamma: float) -> Tensor:
    """The disparity D (Eqs. 28-30), a scalar; h gets no gradient.

    Args:
        main_s: logits (B, K) of h on the source.
        other_s: logits of h' on the source.
        main_t: logits of h on the target.
        other_t: logits of h' on the target.
        gamma: the weight of the source.
    """
    on_source = cross_entropy(other_s, main_s.argmax(1))
    predicted = one_hot(main_t.argmax(1), main_t.shape[1]).bool()
    other_classes = other_t.masked_fill(predicted, -inf).logsumexp(1)
    # -log(1 - p) as a difference of logarithms, because 1 - p itself would lose digits for p near 1.
    return gamma * on_source + (other_t.logsumexp(1) - other_classes).mean()
