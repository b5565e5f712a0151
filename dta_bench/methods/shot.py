"""SHOT: source hypothesis transfer (Liang et al., ICML 2020): adapt without the source.

A network is first trained on the source alone (``source_smoothed``). Then its classifier is frozen, and its features
learn from the target only:
total = mean H(p) - H(mean p) + weight * CE(p, y) (Eqs. 4, 7), information maximisation and pseudo-labels y.
The pseudo-labels are computed before each epoch (Eqs. 5-6), from the features f' = (f, 1) / ||(f, 1)|| of all target
images in evaluation mode. First the centroids are the means of f' weighted by the predictions, and an image's label is
the class of the nearest centroid by cosine. Then this is repeated with the means of f' over the images of each label;
classes without images are left out. Unlike the paper's, the classifier has no weight normalisation.

Floor: 1 forward and backward pass (target); once per epoch also a forward pass over target train. The source is not
used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import inf
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize, one_hot, pad

from dta_bench.errors import within
from dta_bench.methods import source_smoothed
from dta_bench.nn.learner import Learner, Parts, Players, Setting
from dta_bench.nn.losses import conditional_entropy
from dta_bench.nn.network import Labelled, Network, Unlabelled, evaluating

tasks = ("classification",)


@dataclass(frozen=True)
class Params:
    """Defaults: the authors' for objects (weight 0.1 for digits)."""

    weight: float = 0.3
    label_smoothing: float = 0.1  # of the first stage

    def __post_init__(self) -> None:
        within(self, weight=(0, inf), label_smoothing=(0, 1))


def floor(params: Params) -> float:  # noqa: ARG001
    """The least work of a step, in source-only steps."""
    return 1.0


def first_stage(params: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Source-only training with smoothed labels."""
    return source_smoothed.__name__.rpartition(".")[2], {"label_smoothing": params["label_smoothing"]}


class Method(Learner):
    """The first stage's network, its head frozen, and a pseudo-label for each target image."""

    pseudo: Tensor

    def __init__(self, net: Network, params: Params, setting: Setting) -> None:
        super().__init__(net, params, setting)
        if setting.first is not None:
            net.load_state_dict(setting.first.net.state_dict())
        net.head.requires_grad_(False)
        self.register_buffer("pseudo", torch.zeros(setting.target_size, dtype=torch.long))

    def players(self) -> Players:
        """The features only; the classifier is frozen."""
        return {"features": [self.net.body, self.net.neck]}

    def before_epoch(self, target: Callable[[], Iterable[Tensor]]) -> None:
        """Compute new pseudo-labels for all of target train."""
        with torch.no_grad(), evaluating(self.net):
            activations = [self.net.activations(images) for images in target()]
        features, logits = (torch.cat(parts).float().flatten(1) for parts in zip(*activations, strict=True))
        self.pseudo.copy_(nearest_centroid_labels(features, logits.softmax(1)))

    def loss(self, source: Labelled, target: Unlabelled) -> Parts:  # noqa: ARG002 - source-free
        """Information maximisation, and cross-entropy with the pseudo-labels."""
        assert target.index is not None
        logits = self.net(target.images)
        information = information_loss(logits)
        own = cross_entropy(logits, self.pseudo[target.index.to(self.pseudo.device)])
        return {"total": information + self.params.weight * own, "information": information, "own": own}


def information_loss(logits: Tensor) -> Tensor:
    """Mean H(p) - H(mean p) of logits (B, K) (Eq. 4), a scalar in nats.

    Its least value, -log K, is reached by confident predictions of all classes equally often.
    """
    p = logits.float().softmax(1)
    return conditional_entropy(logits.float()) - torch.special.entr(p.mean(0)).sum()  # type: ignore[no-any-return]


def nearest_centroid_labels(features: Tensor, p: Tensor) -> Tensor:
    """Pseudo-labels by the nearest centroid, in two rounds (Eqs. 5-6).

    Args:
        features: (N, L), of all target images.
        p: their probabilities (N, K).

    Returns:
        (N,) long.
    """
    rows = normalize(pad(features, (0, 1), value=1.0))
    labels = _labels_from_weights(rows, p, p.sum(0) > 0)
    hard = one_hot(labels, p.shape[1]).to(rows)
    return _labels_from_weights(rows, hard, hard.sum(0) > 0)


def _labels_from_weights(rows: Tensor, weights: Tensor, allowed: Tensor) -> Tensor:
    """The class of the nearest centroid by cosine, among the ``allowed`` (K,); centroids are means by ``weights``."""
    cosine = rows @ normalize(weights.T @ rows).T
    return cosine.masked_fill(~allowed, -inf).argmax(1)
