"""DAFormer's training (Hoyer et al., CVPR 2022): DACS with rare-class sampling and a feature distance; any backbone.

On top of ``dacs``:
* rare-class sampling: source images are drawn for a class c, P(c) proportional to exp((1 - f_c) / T), f_c its share of
  the source's pixels, among those that show enough of c (Eqs. 8-9); the paper's repeated cropping is left out;
* feature distance: total += feature_weight * mean ||F(x_s) - F_0(x_s)|| over places of thing classes, F_0 the encoder
  as it was at the start (ImageNet's, where there are weights), places by ``region_share`` of their pixels (Eqs. 10-12);
* the highest and lowest rows of pseudo-labels (sky and bonnet there) weigh nothing.

Floor: as ``dacs``, and a forward pass of the encoder (source).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from torch import Tensor
from torch.linalg import vector_norm
from torch.nn.functional import adaptive_avg_pool2d, cross_entropy, one_hot

from dta_bench.errors import within
from dta_bench.methods import dacs
from dta_bench.nn.learner import Parts, Setting
from dta_bench.nn.network import (
    Labelled,
    Network,
    RandomState,
    Unlabelled,
    current_random_state,
    frozen_statistics,
    replaying_draws,
)
from dta_bench.nn.teachers import frozen_copy

tasks = ("segmentation",)
above_floor = "a forward pass of the frozen encoder"
THINGS = (
    "traffic light", "traffic sign", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle",
)  # fmt: skip
"""Cityscapes' thing classes, by name; where a benchmark has none of them, the distance is over all classes."""


@dataclass(frozen=True)
class Params(dacs.Params):
    """Defaults: the authors'; rows and pixels of their 512 x 512 crops as shares."""

    keep: float = 0.999
    jitter: float = 0.2
    temperature: float = 0.01  # T
    least_share: float = 0.003  # of an image's pixels, for it to be drawn for a class: 3,000 of 1280 x 720
    feature_weight: float = 0.005
    region_share: float = 0.75
    ignore_top: float = 15 / 512
    ignore_bottom: float = 120 / 512

    def __post_init__(self) -> None:
        super().__post_init__()
        within(self, temperature=(1e-4, inf), feature_weight=(0, inf))
        within(self, **dict.fromkeys(("least_share", "region_share", "ignore_top", "ignore_bottom"), (0, 1)))


def floor(params: Params) -> float:  # noqa: ARG001
    """The least work of a step, in source-only steps (a forward pass is a third of one), without the frozen encoder."""
    return 2 + 1 / 3


def source_odds(params: Params, counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """How likely each source image is drawn, (N,), from its pixels of each class (N, K)."""
    present = np.flatnonzero(counts.sum(0))
    odds = np.zeros(len(counts))
    for c, of_class in zip(present, class_odds(counts.sum(0)[present] / counts.sum(), params.temperature), strict=True):
        shows = counts[:, c] > params.least_share * counts.sum(1)
        shows = shows if shows.any() else counts[:, c] > 0
        odds += of_class * shows / shows.sum()
    normed: NDArray[np.float64] = odds / odds.sum()
    return normed


def class_odds(shares: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """P(c) from the classes' shares of all pixels, (K,): rarer classes are drawn more often (Eq. 9)."""
    found: NDArray[np.float64] = softmax((1 - shares) / temperature)
    return found


class Method(dacs.Method):
    """DACS, and the encoder as it was."""

    things: Tensor

    def __init__(self, net: Network, params: Params, setting: Setting) -> None:
        super().__init__(net, params, setting)
        self.anchor = frozen_copy(net.body)
        named = [k for k, name in enumerate(setting.class_names) if name in THINGS]
        things = named or list(range(setting.classes))
        self.void = max(things) + 1
        self.register_buffer("things", torch.tensor(things))

    def loss(self, source: Labelled, target: Unlabelled) -> Parts:
        """Source pixels labelled 255 do not count."""
        draws = current_random_state(source.images.device)
        features = self.net.features(source.images)
        task = cross_entropy(self.net.head(self.net.hidden(features)), source.labels, ignore_index=255)
        distance = torch.zeros_like(task)
        if self.params.feature_weight:
            distance = self.feature_distance(features.activation, source, draws)
        mixed = self.mixed(source, target)
        total = task + self.params.weight * mixed + self.params.feature_weight * distance
        return {"total": total, "task": task, "mixed": mixed, "distance": distance}

    def feature_distance(self, activation: Tensor, source: Labelled, draws: RandomState) -> Tensor:
        """Mean distance of the encoder's features of things to what they were, a scalar; the same draws for both."""
        with torch.no_grad(), replaying_draws(draws), frozen_statistics(self.anchor):
            out = self.anchor(source.images)
        before = out[0] if isinstance(out, tuple) else out
        moved = vector_norm((activation - before).float(), dim=self.net.feature_axis)
        here = thing_places(source.labels, self.things, self.void, moved.shape[1:], self.params.region_share)
        return (moved * here).sum() / here.sum().clamp_min(1)  # type: ignore[no-any-return]

    def pseudo_labels(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Those of DACS; ignored rows weigh nothing."""
        labels, weights = super().pseudo_labels(images)
        rows = torch.arange(weights.shape[1], device=weights.device) / weights.shape[1]
        counts = (rows >= self.params.ignore_top) & (rows < 1 - self.params.ignore_bottom)
        return labels, weights * counts[:, None]


def thing_places(labels: Tensor, things: Tensor, void: int, size: torch.Size, share: float) -> Tensor:
    """Where ``share`` or more of the pixels of label maps (B, H, W) are of one class, a thing; (B, *size) bool.

    All from ``void`` on, above every thing, counts as one class more.
    """
    planes = one_hot(labels.clamp(max=void), void + 1).movedim(3, 1).float()
    most, classes = adaptive_avg_pool2d(planes, (size[0], size[1])).max(1)
    return (most >= share) & torch.isin(classes, things)
