"""AdvEnt: adversarial alignment of entropy maps (Vu et al., CVPR 2019).

AdaptSegNet (``adaptsegnet``), but the discriminator is given the weighted self-information of each class and pixel,
I = -p log p / log K (Eq. 5), instead of p. The sum of I over the classes is the normalised entropy.

Floor: as ``adaptsegnet``.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import torch
from torch import Tensor

from dta_bench.methods import adaptsegnet
from dta_bench.methods.adaptsegnet import above_floor, floor

__all__ = ["Method", "Params", "above_floor", "floor", "self_information", "tasks"]

tasks = ("segmentation",)


@dataclass(frozen=True)
class Params(adaptsegnet.Params):
    """Defaults: the authors', which are those of AdaptSegNet."""


class Method(adaptsegnet.Method):
    """The network and a discriminator of entropy maps (``judge``)."""

    def discriminator_input(self, logits: Tensor) -> Tensor:
        """What the discriminator is given for logits (B, K, H, W): I of each class and pixel."""
        return self_information(logits.float())


def self_information(logits: Tensor) -> Tensor:
    """I = -p log p / log K of logits (B, K, ...), of the same shape (Eq. 5).

    The sum over the classes is between 0, for one-hot predictions, and 1, for uniform ones.
    """
    return torch.special.entr(logits.softmax(1)) / log(logits.shape[1])  # type: ignore[no-any-return]
