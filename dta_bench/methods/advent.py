"""AdvEnt: adversarial alignment of entropy maps (Vu et al., CVPR 2019).

AdaptSegNet (``adaptsegnet``), whose discriminator looks at the weighted self-information of each class and pixel,
I = -p log p / log K (Eq. 5), instead of at p: their sum over the classes is the normalised entropy.

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
    """The network and a discriminator of entropy maps."""

    def seen(self, logits: Tensor) -> Tensor:
        """I of each class and pixel, (B, K, H, W)."""
        return self_information(logits.float())


def self_information(logits: Tensor) -> Tensor:
    """-p log p / log K of logits (B, K, ...): nought for sure predictions; sums to 1 over the classes for even ones."""
    return torch.special.entr(logits.softmax(1)) / log(logits.shape[1])  # type: ignore[no-any-return]
