"""Nearest neighbours among the source's features: what a frozen network tells without any training.

An image gets the classes of its k nearest source images by the cosine of the features that enter the part that trains,
each neighbour weighted by exp(cosine / temperature), as in Wu et al. (CVPR 2018) and Caron et al. (DINO, ICCV 2021),
whose k and temperature are the defaults. Compared are the last ``memory`` source images that were seen; with more of
them than a source has, it is all of it. The network's own classifier trains on the source beside it, and is not used.

Floor: a source-only step.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from dta_bench.errors import UserError, within
from dta_bench.nn.distributed import refuse_replicas
from dta_bench.nn.learner import Learner, Parts, Setting
from dta_bench.nn.network import Labelled, Network, Unlabelled

tasks = ("classification",)
source_alone = True


@dataclass(frozen=True)
class Params:
    """Defaults: those of DINO; a memory for a data set of some thousand images."""

    k: int = 20
    temperature: float = 0.07
    memory: int = 8192

    def __post_init__(self) -> None:
        within(self, k=(1, inf), temperature=(1e-6, inf), memory=(1, inf))
        if self.k > self.memory:
            raise UserError(f"k is {self.k}, but memory keeps {self.memory} images; allowed: k up to memory")


def floor(params: Params) -> float:  # noqa: ARG001 - one signature for all
    """The least work of a step, in source-only steps."""
    return 1.0


class Method(Learner):
    """A memory of the source's features, in place of a classifier."""

    features: Tensor
    labels: Tensor
    seen: Tensor

    def __init__(self, net: Network, params: Any, setting: Setting) -> None:
        super().__init__(net, params, setting)
        refuse_replicas(setting.training.devices, "knn")
        with torch.no_grad():
            weight = next(net.parameters())
            shape = torch.zeros(1, *setting.image_shape, device=weight.device, dtype=weight.dtype)
            units = self._vectors(shape).shape[1]
        self.register_buffer("features", torch.zeros(params.memory, units))
        self.register_buffer("labels", torch.zeros(params.memory, dtype=torch.long))
        self.register_buffer("seen", torch.zeros((), dtype=torch.long))

    def loss(self, source: Labelled, target: Unlabelled) -> Parts:  # noqa: ARG002 - one signature for all
        """Cross-entropy of the network's own classifier; the batch goes into the memory."""
        features = self.net.features(source.images)
        task = F.cross_entropy(self.net.head(self.net.hidden(features)), source.labels)
        with torch.no_grad():
            vectors = self._as_vectors(features.activation).float()
            places = (self.seen + torch.arange(len(vectors), device=vectors.device)) % self.params.memory
            self.features[places], self.labels[places] = vectors, source.labels
            self.seen += len(vectors)
        return {"total": task, "task": task}

    def forward(self, images: Tensor) -> Tensor:
        """The logarithms of the votes' shares."""
        cosines = self._vectors(images).float() @ self.features.t()
        is_empty = torch.arange(self.params.memory, device=images.device) >= self.seen
        best = cosines.masked_fill(is_empty, -torch.inf).topk(self.params.k, dim=1)
        weights = (best.values / self.params.temperature).exp()  # 0 of an empty place
        votes = torch.full((len(images), self.setting.classes), 1e-12, device=images.device)
        votes.scatter_add_(1, self.labels[best.indices], weights)
        return (votes / votes.sum(1, keepdim=True)).log()

    def _vectors(self, images: Tensor) -> Tensor:
        return self._as_vectors(self.net.features(images).activation)

    def _as_vectors(self, activation: Tensor) -> Tensor:
        """Activations as vectors of length 1; maps are averaged over their positions."""
        axis = self.net.feature_axis % activation.ndim
        others = [number for number in range(1, activation.ndim) if number != axis]
        return F.normalize(activation.mean(others) if others else activation, dim=1)
