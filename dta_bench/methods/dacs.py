"""DACS: cross-domain mixed sampling (Tranheden et al., WACV 2021).

A teacher, a moving average of the network, labels each target image. Half the classes of a source image, drawn at
random, are pasted with their labels onto a target image and its pseudo-labels (ClassMix), colours are changed, and
total = CE(source) + mean over pixels of w CE(mixed) (Eqs. 1-4),
w = 1 where pasted, elsewhere the share of the target image's pixels whose label has more than ``threshold``.

Floor: 2 forward and backward passes (source, mixed) and 1 forward pass of the teacher (target).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from dta_bench.errors import within
from dta_bench.nn.class_mix import class_mix_mask, jitter_and_blur, paste, weighted_cross_entropy
from dta_bench.nn.learner import Learner, Parts, Setting
from dta_bench.nn.network import Labelled, Network, Unlabelled, without_dropout
from dta_bench.nn.teachers import frozen_copy, update_moving_average, warmed_up_decay

tasks = ("segmentation",)


@dataclass(frozen=True)
class Params:
    """Defaults: the authors'."""

    weight: float = 1.0
    threshold: float = 0.968
    keep: float = 0.99  # of the teacher
    jitter: float = 0.25

    def __post_init__(self) -> None:
        within(self, weight=(0, inf), threshold=(0, 1), keep=(0, 1), jitter=(0, 0.5))


def floor(params: Params) -> float:  # noqa: ARG001
    """The least work of a step, in source-only steps (a forward pass is a third of one)."""
    return 2 + 1 / 3


class Method(Learner):
    """The network and its teacher."""

    def __init__(self, net: Network, params: Params, setting: Setting) -> None:
        super().__init__(net, params, setting)
        self.teacher = frozen_copy(net)

    def loss(self, source: Labelled, target: Unlabelled) -> Parts:
        """Source pixels labelled 255 do not count, pasted or not."""
        task = cross_entropy(self.net(source.images), source.labels, ignore_index=255)
        mixed = self.mixed(source, target)
        return {"total": task + self.params.weight * mixed, "task": task, "mixed": mixed}

    def mixed(self, source: Labelled, target: Unlabelled) -> Tensor:
        """The weighted cross-entropy on the mixed images, a scalar."""
        pseudo, weights = self.pseudo_labels(target.images)
        mask = torch.stack([class_mix_mask(labels) for labels in source.labels])
        images = jitter_and_blur(paste(mask, source.images, target.images), self.params.jitter, self.net.normalisation)
        labels = paste(mask, source.labels, pseudo)
        return weighted_cross_entropy(self.net(images), labels, paste(mask, torch.ones_like(weights), weights))

    @torch.no_grad()
    def pseudo_labels(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The teacher's labels (B, H, W) and their weights (B, H, W), alike within an image."""
        with without_dropout(self.teacher):
            sure, labels = self.teacher(images).float().softmax(1).max(1)
        share = (sure > self.params.threshold).float().mean((1, 2), keepdim=True)
        return labels, share.expand_as(sure)

    def after_step(self) -> None:
        """The teacher follows; after the first step it is the network."""
        update_moving_average(self.teacher, self.net, warmed_up_decay(self.params.keep, self.at.iteration))
