"""ATDOC: auxiliary target domain-oriented classifier (Liang et al., CVPR 2021), by aggregation over neighbours (NA).

A memory keeps the normalised features and the sharpened probabilities q of all target images. The pseudo-label of a
target image is y = argmax q', with q' the mean of q over the image's m nearest others in the memory, and

    total = CE(source) + weight * done * sum_i max(q'_i) CE(target_i, y_i) / sum_i max(q'_i)

where ``done`` rises from 0 to 1 over the run. After each step the batch is passed through the new network in
evaluation mode, and takes its rows of the memory: q_ik = p_ik^2 / sum_j p_jk^2, over the images j of the batch. Before
that the rows are random features with uniform q. Unlike the release, source labels are not smoothed.

Floor: 2 forward and backward passes (source, target), and a forward pass (target, for the memory).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from dta_bench.errors import within
from dta_bench.nn.distributed import refuse_replicas
from dta_bench.nn.learner import Learner, Parts, Setting, activation_shapes
from dta_bench.nn.network import Labelled, Network, Unlabelled, evaluating

tasks = ("classification",)


@dataclass(frozen=True)
class Params:
    """Defaults: the authors' for Office-Home."""

    weight: float = 0.2
    neighbours: int = 5  # m

    def __post_init__(self) -> None:
        within(self, weight=(0, inf), neighbours=(1, inf))


def floor(params: Params) -> float:  # noqa: ARG001
    """The least work of a step, in source-only steps (a forward pass is a third of one)."""
    return 2 + 1 / 3


class Method(Learner):
    """The network, and the memory of features (N, L) and sharpened probabilities (N, K) of target train."""

    features: Tensor
    sharpened: Tensor

    def __init__(self, net: Network, params: Params, setting: Setting) -> None:
        super().__init__(net, params, setting)
        refuse_replicas(setting.training.devices, "atdoc")
        units = math.prod(activation_shapes(net, setting.image_shape)[1][1:])
        self.register_buffer("features", normalize(torch.rand(setting.target_size, units)))
        uniform = torch.full((setting.target_size, setting.classes), 1 / setting.classes)
        self.register_buffer("sharpened", uniform)

    def loss(self, source: Labelled, target: Unlabelled) -> Parts:
        """Cross-entropy on the source, and on the target with the pseudo-labels of the memory."""
        assert target.index is not None
        task = cross_entropy(self.net(source.images), source.labels)
        hidden, logits = self.net.activations(target.images)
        rows, index = hidden.detach().float().flatten(1), target.index.to(hidden.device)
        confidence, labels = aggregate(rows, index, self.features, self.sharpened, self.params.neighbours).max(1)
        pseudo = (confidence * cross_entropy(logits.float(), labels, reduction="none")).sum() / confidence.sum()
        total = task + self.params.weight * self.at.done * pseudo
        return {"total": total, "task": task, "pseudo": pseudo}

    @torch.no_grad()
    def after_step(self) -> None:
        """Put the batch into the memory, as the updated network sees it in evaluation mode."""
        for _, target in self._pieces:
            assert target.index is not None
            with evaluating(self.net):
                hidden, logits = self.net.activations(target.images)
            index = target.index.to(hidden.device)
            self.features[index] = normalize(hidden.float().flatten(1))
            self.sharpened[index] = sharpen(logits.float().softmax(1))


def aggregate(rows: Tensor, index: Tensor, features: Tensor, sharpened: Tensor, count: int) -> Tensor:
    """q' (B, K): the mean of q over the ``count`` nearest others in the memory, for features (B, L) of ``index``."""
    similarity = (rows @ features.T).scatter(1, index[:, None], -inf)
    near = similarity.topk(min(count, len(features) - 1)).indices
    return sharpened[near].mean(1)


def sharpen(p: Tensor) -> Tensor:
    """p_ik^2 / sum_j p_jk^2 of the probabilities (B, K) of a batch: confident, and as much of each class."""
    squared = p.square()
    return squared / squared.sum(0)
