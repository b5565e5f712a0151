"""Co-DA: co-regularised alignment (Kumar et al., NeurIPS 2018): two VADA models that differ and yet agree.

total = VADA(1) + VADA(2) + agreement * E_t ||p_1 - p_2||_1
        - diversity * min(largest, ||E_s g_1 - E_s g_2||^2)                                                  (Eqs. 5-8)

with g the features that the discriminators see. Each of the two models (``vada``) has its own network, discriminator
and moving average; the second network starts from other weights (of a pretrained network: from another head). The
method predicts with the first model's average.

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
from dta_bench.methods.vada import needs_pixels
from dta_bench.nn.learner import Learner, Loss, Parts, Players, Setting
from dta_bench.nn.network import Labelled, Network, Unlabelled
from dta_bench.nn.teachers import reinitialised_copy

__all__ = ["Method", "Params", "floor", "needs_pixels"]


@dataclass(frozen=True)
class Params(vada.Params):
    """Defaults: those of a public re-implementation, as the paper does not print its values; VADA's from its paper."""

    agreement: float = 0.1
    diversity: float = 0.001
    largest: float = 10.0  # nu: a larger difference is not rewarded more
    redraw: bool = True  # False: the second network starts from the weights of the first, its head too

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
        other = reinitialised_copy(net, head_only=setting.has_weights) if params.redraw else copy.deepcopy(net)
        self.one, self.two = (vada.Method(network, params, setting) for network in (net, other))

    @property
    def predictor(self) -> Network:
        """The moving average of the first network's weights."""
        return self.one.average

    def players(self) -> Players:
        """The two networks have one optimiser, the two discriminators another."""
        models = (self.one, self.two)
        return {"nets": [model.net for model in models], "discriminators": [model.discriminator for model in models]}

    def phases(self) -> Iterator[tuple[Sequence[str], Loss]]:
        """First both networks, with the discriminators fixed, then both discriminators."""
        for model in (self.one, self.two):
            model.at = self.at
            model.clear_features()
        yield ("nets",), self.networks_loss
        yield ("discriminators",), self.discriminators_loss

    def networks_loss(self, source: Labelled, target: Unlabelled) -> Parts:
        """The losses of both networks' phases, the disagreement on the target and the difference on the source."""
        params, models = self.params, (self.one, self.two)
        passes = [[model.forward_pass(batch.images) for batch in (source, target)] for model in models]
        terms = [model.loss_from_passes(source, target, *own) for model, own in zip(models, passes, strict=True)]
        ((_, features_1, _), (_, _, logits_1)), ((_, features_2, _), (_, _, logits_2)) = passes
        apart_t = disagreement(logits_1, logits_2)
        apart_s = difference(features_1, features_2).clamp_max(params.largest)
        total = terms[0]["total"] + terms[1]["total"] + params.agreement * apart_t - params.diversity * apart_s
        return terms[0] | {"total": total, "disagreement": apart_t, "difference": apart_s}

    def discriminators_loss(self, source: Labelled, target: Unlabelled) -> Parts:
        """The losses of both discriminators' phases."""
        one, two = (model.discriminator_loss(source, target)["total"] for model in (self.one, self.two))
        domain = one + two
        return {"total": domain, "domain": domain}

    def source_only_loss(self, source: Labelled, target: Unlabelled) -> Parts:
        """Both networks learn."""
        task = self.one.source_only_loss(source, target)["total"] + self.two.source_only_loss(source, target)["total"]
        return {"total": task, "task": task}

    def after_step(self) -> None:
        """Update both averages."""
        for model in (self.one, self.two):
            model.at = self.at
            model.after_step()


def disagreement(logits: Tensor, other: Tensor) -> Tensor:
    """Mean over samples (and pixels) of the L1 distance of two predictions, from logits (B, K, ...), from 0 to 2."""
    return (logits.softmax(1) - other.softmax(1)).abs().sum(1).mean()


def difference(features: Tensor, other: Tensor) -> Tensor:
    """Squared distance of the mean features over the batch, a scalar, for two networks' features (B, ...)."""
    return (features.mean(0) - other.mean(0)).float().square().sum()
