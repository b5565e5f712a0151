"""SHOT: source hypothesis transfer (Liang et al., ICML 2020): adapt without the source.

A network is first trained on the source alone (``source_smoothed``). Then its classifier is frozen and its features
learn from the target only:
total = mean H(p) - H(mean p) + weight * CE(p, y) (Eqs. 4, 7), information maximisation and pseudo-labels y.
Before each epoch, with all target features f' = (f, 1) / ||(f, 1)|| in evaluation mode: centroids are the means of f'
weighted by the predictions, y the class of the nearest centroid by cosine; then once more with centroids of y, classes
that no image was given to left out (Eqs. 5-6). The network is kept as it is: no weight normalisation is added to it.

Floor: 1 forward and backward pass (target), and 1 forward pass over target train an epoch; the source is not looked at.
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
    label_smoothing: float = 0.1  # of the stage before

    def __post_init__(self) -> None:
        within(self, weight=(0, inf), label_smoothing=(0, 1))


def floor(params: Params) -> float:  # noqa: ARG001
    """The least work of a step, in source-only steps."""
    return 1.0


def first_stage(params: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Source-only training with smoothed labels."""
    return source_smoothed.__name__.rpartition(".")[2], {"label_smoothing": params["label_smoothing"]}


class Method(Learner):
    """The source's network, its head frozen, and a pseudo-label for each target image."""

    pseudo: Tensor

    def __init__(self, net: Network, params: Params, setting: Setting) -> None:
        super().__init__(net, params, setting)
        if setting.first is not None:
            net.load_state_dict(setting.first.net.state_dict())
        net.head.requires_grad_(False)
        self.register_buffer("pseudo", torch.zeros(setting.target_size, dtype=torch.long))

    def players(self) -> Players:
        """The features; the classifier stays."""
        return {"features": [self.net.body, self.net.neck]}

    def before_epoch(self, target: Callable[[], Iterable[Tensor]]) -> None:
        """New pseudo-labels, from the whole of target train."""
        with torch.no_grad(), evaluating(self.net):
            seen = [self.net.activations(images) for images in target()]
        features, logits = (torch.cat(parts).float().flatten(1) for parts in zip(*seen, strict=True))
        self.pseudo.copy_(nearest_centroids(features, logits.softmax(1)))

    def loss(self, source: Labelled, target: Unlabelled) -> Parts:  # noqa: ARG002 - source-free
        """Information maximisation and cross-entropy with the pseudo-labels."""
        assert target.index is not None
        logits = self.net(target.images)
        information = information_loss(logits)
        own = cross_entropy(logits, self.pseudo[target.index.to(self.pseudo.device)])
        return {"total": information + self.params.weight * own, "information": information, "own": own}


def information_loss(logits: Tensor) -> Tensor:
    """Mean H(p) - H(mean p) of logits (B, K), a scalar: -log K for sure predictions of equally many of each class."""
    p = logits.float().softmax(1)
    return conditional_entropy(logits.float()) - torch.special.entr(p.mean(0)).sum()  # type: ignore[no-any-return]


def nearest_centroids(features: Tensor, p: Tensor) -> Tensor:
    """The class of the nearest centroid, (N,) long, of features (N, L) with predictions (N, K): two rounds."""
    rows = normalize(pad(features, (0, 1), value=1.0))
    labels = _assigned(rows, p, p.sum(0) > 0)
    hard = one_hot(labels, p.shape[1]).to(rows)
    return _assigned(rows, hard, hard.sum(0) > 0)


def _assigned(rows: Tensor, weights: Tensor, taken: Tensor) -> Tensor:
    """Cosines to the means of ``rows`` by ``weights``; a class that is not ``taken`` gets nothing."""
    cosine = rows @ normalize(weights.T @ rows).T
    return cosine.masked_fill(~taken, -inf).argmax(1)
