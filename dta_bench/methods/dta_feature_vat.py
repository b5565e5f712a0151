"""Drop to Adapt with VAT at the features: the four terms of Eq. 6, where VAT perturbs what the body gives.

The paper's VAT perturbs pixels. Here the virtual adversarial perturbation is added to the activation at CAdD's site, so
that it can be computed on the kept features of a frozen network; no paper of DTA has it. Epsilon is an L2 length among
features, which are not of the scale of pixels. Without VAT (``lambda_3`` 0) it is ``dta``.

Floor: one forward and backward pass of the source and one of the target. On top of it come the passes above the masks,
and three passes above the features for VAT: one forward with the gradient for the features, one forward and backward.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from dta_bench.errors import UserError
from dta_bench.methods import dta
from dta_bench.nn.learner import Learner, Parts, Setting
from dta_bench.nn.network import Labelled, Network, Unlabelled
from dta_bench.nn.tuning import TakesFeatures

tasks = ("classification",)
by_name_only = True  # on rows without VAT it is dta
above_floor = "the passes above the masks, and VAT's above the features"


@dataclass(frozen=True)
class Params(dta.Params):
    """Defaults: those of ``dta``."""


def floor(params: Params) -> float:  # noqa: ARG001 - one signature for all
    """The least work of a step, in source-only steps, without the passes above the features."""
    return 2.0


class Method(Learner):
    """``dta`` on the part of the network above its body, for which features are what images are for the whole."""

    def __init__(self, net: Network, params: Any, setting: Setting) -> None:
        super().__init__(net, params, setting)
        if setting.training.batchnorm.get("batches") == "joint":
            raise UserError(
                "dta_feature_vat computes VAT above the body alone, which joint batches do not allow; allowed: separate"
            )
        self._above = [_above(net)]  # in a list: its modules are those of the network, and in the checkpoint once

    def loss(self, source: Labelled, target: Unlabelled) -> Parts:
        """The loss of ``dta`` in this epoch."""
        features = Labelled(self._features(source.images), source.labels), Unlabelled(self._features(target.images))
        return dta.loss(self._above[0], *features, self.at.epoch, self.params)

    def _features(self, images: Tensor) -> Tensor:
        return self.net.features(images).activation


def _above(net: Network) -> Network:
    """The network above its body, which takes features."""
    return Network(
        TakesFeatures(), net.neck, net.head, feature_keep_rate=net.feature_keep_rate,
        hidden_keep_rate=net.hidden_keep_rate, feature_axis=net.feature_axis, hidden_axis=net.hidden_axis,
        normalisation=net.normalisation,
    )  # fmt: skip
