"""DAFormer's training (Hoyer et al., CVPR 2022): DACS with rare-class sampling and a feature distance; any backbone.

It adds to ``dacs``:
* rare-class sampling: a class c is drawn with P(c) proportional to exp((1 - f_c) / T), f_c its share of the source's
  pixels, then a source image among those that show enough of c (Eqs. 8-9); the paper's repeated cropping is left out;
* feature distance: total += feature_weight * mean ||F(x_s) - F_0(x_s)|| over the pixels of the feature map that show
  thing classes (Eqs. 10-12). F_0 is the encoder as it was at the start (trained on ImageNet, where weights were given),
  with the dropout of F's pass and in training mode, so that the distance starts at 0; ``anchor`` ``evaluation`` has it
  in evaluation mode, as the release;
  a pixel of the map shows a class that at least ``region_share`` of its image pixels have;
* the top and bottom rows of pseudo-labels, where Cityscapes shows sky and the car's bonnet, have weight 0.

Floor: as ``dacs``, and a forward pass of the encoder (source).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from torch import Tensor
from torch.linalg import vector_norm
from torch.nn.functional import adaptive_avg_pool2d, cross_entropy, one_hot

from dta_bench.errors import one_of, within
from dta_bench.methods import dacs
from dta_bench.nn.learner import Parts, Setting
from dta_bench.nn.network import (
    Labelled,
    Network,
    RandomState,
    Unlabelled,
    current_random_state,
    evaluating,
    frozen_statistics,
    replaying_draws,
)
from dta_bench.nn.teachers import frozen_copy

tasks = ("segmentation",)
above_floor = "a forward pass of the frozen encoder"
THINGS = (
    "traffic light", "traffic sign", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle",
)  # fmt: skip
"""Cityscapes' thing classes; for a benchmark without any of them, the feature distance counts all classes."""


Anchor = Literal["training", "evaluation"]


@dataclass(frozen=True)
class Params(dacs.Params):
    """Defaults: the authors'; numbers of rows and pixels are given as shares of an image."""

    keep: float = 0.999
    jitter: float = 0.2
    temperature: float = 0.01  # T
    least_share: float = 0.003  # of its pixels an image must show of a class to be drawn for it: 3,000 of 1280 x 720
    feature_weight: float = 0.005
    region_share: float = 0.75
    ignore_top: float = 15 / 512  # of the rows
    ignore_bottom: float = 120 / 512  # of the rows
    anchor: Anchor = "training"  # the mode of F_0

    def __post_init__(self) -> None:
        super().__post_init__()
        within(self, temperature=(1e-4, inf), feature_weight=(0, inf))
        one_of(self, anchor=get_args(Anchor))
        within(self, **dict.fromkeys(("least_share", "region_share", "ignore_top", "ignore_bottom"), (0, 1)))


def needs_pixels(params: Params) -> str:  # noqa: ARG001
    """What it changes is the image."""
    return "it pastes pixels of the source into target images"


def floor(params: Params) -> float:  # noqa: ARG001
    """The least work of a step, in source-only steps (a forward pass is a third of one), without the frozen encoder."""
    return 2 + 1 / 3


def source_odds(params: Params, counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """The probability with which each source image is drawn (Eqs. 8-9).

    Args:
        params: the temperature and the least share of a class in an image.
        counts: (N, K), the pixels of each class in each source image.

    Returns:
        (N,), of sum 1.
    """
    present = np.flatnonzero(counts.sum(0))
    of_class = class_probabilities(counts.sum(0)[present] / counts.sum(), params.temperature)
    odds = np.zeros(len(counts))
    for c, probability in zip(present, of_class, strict=True):
        shows = counts[:, c] > params.least_share * counts.sum(1)
        shows = shows if shows.any() else counts[:, c] > 0
        odds += probability * shows / shows.sum()
    normalised: NDArray[np.float64] = odds / odds.sum()
    return normalised


def class_probabilities(shares: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """P(c), (K,), from the classes' shares of all pixels, (K,): rarer classes are drawn more often (Eq. 9)."""
    probabilities: NDArray[np.float64] = softmax((1 - shares) / temperature)
    return probabilities


class Method(dacs.Method):
    """DACS, and the encoder as it was at the start (``anchor``)."""

    things: Tensor

    def __init__(self, net: Network, params: Params, setting: Setting) -> None:
        super().__init__(net, params, setting)
        self.anchor = frozen_copy(net.body)
        named = [k for k, name in enumerate(setting.class_names) if name in THINGS]
        things = named or list(range(setting.classes))
        self.void = max(things) + 1
        self.register_buffer("things", torch.tensor(things))

    def loss(self, source: Labelled, target: Unlabelled) -> Parts:
        """The loss of DACS and the feature distance; source pixels labelled 255 do not count."""
        draws = current_random_state(source.images.device)
        features = self.net.features(source.images)
        task = cross_entropy(self.net.head(self.net.hidden(features)), source.labels, ignore_index=255)
        distance = torch.zeros_like(task)
        if self.params.feature_weight:
            distance = self.feature_distance(features.activation, source, draws)
        mixed = self.mixed_loss(source, target)
        total = task + self.params.weight * mixed + self.params.feature_weight * distance
        return {"total": total, "task": task, "mixed": mixed, "distance": distance}

    def feature_distance(self, activation: Tensor, source: Labelled, draws: RandomState) -> Tensor:
        """Mean distance, where things are, of the encoder's features to those at the start, a scalar (Eqs. 10-12).

        Args:
            activation: the encoder's features of the source images.
            source: the images and their labels.
            draws: the random state before the encoder's pass; the encoder of the start draws the same dropout.
        """
        as_asked = evaluating if self.params.anchor == "evaluation" else frozen_statistics
        with torch.no_grad(), replaying_draws(draws), as_asked(self.anchor):
            out = self.anchor(source.images)
        at_start = out[0] if isinstance(out, tuple) else out
        distance = vector_norm((activation - at_start).float(), dim=self.net.feature_axis)
        things = thing_regions(source.labels, self.things, self.void, distance.shape[1:], self.params.region_share)
        return (distance * things).sum() / things.sum().clamp_min(1)  # type: ignore[no-any-return]

    def pseudo_labels(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Labels and weights as for DACS, but the weights of the ignored rows are 0."""
        labels, weights = super().pseudo_labels(images)
        height = torch.arange(weights.shape[1], device=weights.device) / weights.shape[1]
        is_counted = (height >= self.params.ignore_top) & (height < 1 - self.params.ignore_bottom)
        return labels, weights * is_counted[:, None]


def thing_regions(labels: Tensor, things: Tensor, void: int, size: torch.Size, share: float) -> Tensor:
    """The pixels of a smaller map whose image pixels are mostly of one thing class (Eqs. 10-12).

    Args:
        labels: (B, H, W) long.
        things: the thing classes, (number of things,).
        void: a label above all things; it and all labels above it count as one further class.
        size: (h, w) of the smaller map.
        share: the least share of image pixels that must be of that class.

    Returns:
        A bool mask (B, h, w).
    """
    planes = one_hot(labels.clamp(max=void), void + 1).movedim(3, 1).float()
    largest_share, classes = adaptive_avg_pool2d(planes, (size[0], size[1])).max(1)
    return (largest_share >= share) & torch.isin(classes, things)
