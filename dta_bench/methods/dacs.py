"""DACS: cross-domain mixed sampling (Tranheden et al., WACV 2021).

A teacher, a moving average of the network, labels each target image. The pixels of half the classes of a source image,
drawn at random, are pasted with their labels onto a target image and its pseudo-labels (ClassMix). Colours of the mixed
image are changed, and
total = CE(source) + weight * mean over pixels of w CE(mixed) (Eqs. 1-4).
w is 1 for pasted pixels; for others it is the share of the target image's pixels of which the teacher is confident: its
highest class probability is above ``threshold``.

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
    keep: float = 0.99  # decay of the teacher's moving average
    jitter: float = 0.25  # strength of the colour changes

    def __post_init__(self) -> None:
        within(self, weight=(0, inf), threshold=(0, 1), keep=(0, 1), jitter=(0, 0.5))


def needs_pixels(params: Params) -> str:  # noqa: ARG001
    """What it changes is the image."""
    return "it pastes pixels of the source into target images"


def floor(params: Params) -> float:  # noqa: ARG001
    """The least work of a step, in source-only steps (a forward pass is a third of one)."""
    return 2 + 1 / 3


class Method(Learner):
    """The network and its teacher."""

    def __init__(self, net: Network, params: Params, setting: Setting) -> None:
        super().__init__(net, params, setting)
        self.teacher = frozen_copy(net)

    def loss(self, source: Labelled, target: Unlabelled) -> Parts:
        """Cross-entropy on the source and on mixed images; source pixels labelled 255 do not count, in neither."""
        task = cross_entropy(self.net(source.images), source.labels, ignore_index=255)
        mixed = self.mixed_loss(source, target)
        return {"total": task + self.params.weight * mixed, "task": task, "mixed": mixed}

    def mixed_loss(self, source: Labelled, target: Unlabelled) -> Tensor:
        """The weighted cross-entropy on mixed images, a scalar in nats."""
        pseudo, weights = self.pseudo_labels(target.images)
        mask = torch.stack([class_mix_mask(labels) for labels in source.labels])
        images = jitter_and_blur(paste(mask, source.images, target.images), self.params.jitter, self.net.normalisation)
        labels = paste(mask, source.labels, pseudo)
        return weighted_cross_entropy(self.net(images), labels, paste(mask, torch.ones_like(weights), weights))

    @torch.no_grad()
    def pseudo_labels(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The teacher's labels (B, H, W) of images (B, C, H, W), and their weights (B, H, W), equal within an image."""
        with without_dropout(self.teacher):
            confidence, labels = self.teacher(images).float().softmax(1).max(1)
        share = (confidence > self.params.threshold).float().mean((1, 2), keepdim=True)
        return labels, share.expand_as(confidence)

    def after_step(self) -> None:
        """Update the teacher; after the first step it equals the network."""
        update_moving_average(self.teacher, self.net, warmed_up_decay(self.params.keep, self.at.iteration))
