"""Co-DA: co-regularised alignment (Kumar et al., NeurIPS 2018): two VADA models that differ and yet agree.

total = VADA(1) + VADA(2) + agreement * E_t ||p_1 - p_2||_1
        - diversity * min(largest, ||E_s g_1 - E_s g_2||^2)                                                  (Eqs. 5-8)

with g the features that the discriminators see. Both models (``vada``) have a network, a discriminator and an average
of their own; the second network starts from other weights. The first model's average predicts.

Floor: twice that of ``vada``.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf

from torch import Tensor

from dta_bench.errors import within
from dta_bench.methods import vada
from dta_bench.nn.learner import Learner, Loss, Parts, Players, Setting
from dta_bench.nn.network import Labelled, Network, Unlabelled
from dta_bench.nn.teachers import reinitialised_copy


@dataclass(frozen=True)
class Params(vada.Params):
    """Defaults: those of a public re-implementation, as the paper's grid was not published; VADA's own."""

    agreement: float = 0.1
    diversity: float = 0.001
    largest: float = 10.0  # nu: differences beyond it are not rewarded
    redraw: bool = True  # False: the second network starts as the first (from pretrained weights)

    def __post_init__(self) -> None:
        super().__post_init__()
        within(self, agreement=(0, inf), diversity=(0, inf), largest=(0, inf))


def floor(params: Params) -> float:
    """The least work of a step, in source-only steps."""
    return 2 * vada.floor(params)


class Method(Learner):
    """Two VADA models."""

    def __init__(self, net: Network, params: Params, setting: Setting) -> None:
        super().__init__(net, params, setting)
        other = reinitialised_copy(net) if params.redraw else copy.deepcopy(net)
        self.one, self.two = (vada.Method(each, params, setting) for each in (net, other))

    @property
    def predictor(self) -> Network:
        """The average of the first network's past weights."""
        return self.one.average

    def players(self) -> Players:
        """Networks and discriminators have an optimiser each."""
        both = (self.one, self.two)
        return {"nets": [of.net for of in both], "discriminators": [of.discriminator for of in both]}

    def phases(self) -> Iterator[tuple[Sequence[str], Loss]]:
        """The networks against the discriminators as they stand, then these."""
        for of in (self.one, self.two):
            of.at = self.at
            of.start_step()
        yield ("nets",), self.adapt
        yield ("discriminators",), self.tell_apart

    def adapt(self, source: Labelled, target: Unlabelled) -> Parts:
        """Both models' main phases, their agreement and their difference."""
        a = self.params
        passes = [[of.passed(each.images) for each in (source, target)] for of in (self.one, self.two)]
        terms = [of.terms(source, target, *own) for of, own in zip((self.one, self.two), passes, strict=True)]
        (of_s, of_t), (other_s, other_t) = passes
        agreement = disagreement(of_t[2], other_t[2])
        diversity = difference(of_s[1], other_s[1]).clamp_max(a.largest)
        total = terms[0]["total"] + terms[1]["total"] + a.agreement * agreement - a.diversity * diversity
        return terms[0] | {"total": total, "disagreement": agreement, "difference": diversity}

    def tell_apart(self, source: Labelled, target: Unlabelled) -> Parts:
        """Both discriminators' phases."""
        domain = self.one.tell_apart(source, target)["total"] + self.two.tell_apart(source, target)["total"]
        return {"total": domain, "domain": domain}

    def after_step(self) -> None:
        """Both averages follow."""
        for of in (self.one, self.two):
            of.at = self.at
            of.after_step()


def disagreement(logits: Tensor, other: Tensor) -> Tensor:
    """Mean over samples (and pixels) of the L1 distance of two predictions, a scalar from 0 to 2."""
    return (logits.softmax(1) - other.softmax(1)).abs().sum(1).mean()


def difference(features: Tensor, other: Tensor) -> Tensor:
    """Squared distance of the two batches' mean features, a scalar."""
    return (features.mean(0) - other.mean(0)).float().square().sum()
