"""NRC: neighbourhood reciprocity clustering, without the source (Yang et al., NeurIPS 2021).

A network is first trained on the source alone (``source_smoothed``). A bank keeps the normalised features and the
probabilities S of all target images, each as it was when the image was last in a batch. With p the probabilities of a
batch, N(i) the K images of the bank nearest to image i by cosine, and E(i) the M nearest of each of these,

    total  = L_div + L_N + L_E + L_self
    L_N    = - mean_i sum_{k in N(i)} A_ik S_k . p_i, with A_ik = 1 if i is among the M nearest of k, else r
    L_E    = - mean_i sum_{m in E(i)} r S_m . p_i
    L_self = - self_weight * mean_i S_i . p_i
    L_div  = KL(mean p || uniform)

S gets no gradient. An image that is in E(i) several times counts as often. The authors' release has no L_self; it
leaves i itself in E(i) instead, as ``self_weight`` 0 does; with L_self i is left out of E(i).

Floor: 1 forward and backward pass (target); once per run also a forward pass over target train. The source is not used.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import inf
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from dta_bench.errors import within
from dta_bench.methods import source_smoothed
from dta_bench.nn.distributed import refuse_replicas
from dta_bench.nn.learner import Learner, Parts, Setting, activation_shapes
from dta_bench.nn.network import Labelled, Network, Unlabelled, evaluating

tasks = ("classification",)
first_stage_share = 10 / 25  # VisDA in the release: 10 epochs on the source, then 15


@dataclass(frozen=True)
class Params:
    """Defaults: the authors' for VisDA (Office-Home: 4 neighbours with 3 each)."""

    neighbours: int = 5  # K
    expanded: int = 5  # M
    affinity: float = 0.1  # r
    self_weight: float = 1.0  # 0: the release
    label_smoothing: float = 0.1  # of the first stage

    def __post_init__(self) -> None:
        within(self, neighbours=(1, inf), expanded=(1, inf), affinity=(0, inf), self_weight=(0, inf))
        within(self, label_smoothing=(0, 1))


def floor(params: Params) -> float:  # noqa: ARG001
    """The least work of a step, in source-only steps, without the products with the bank."""
    return 1.0


def first_stage(params: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Source-only training with smoothed labels."""
    return source_smoothed.__name__.rpartition(".")[2], {"label_smoothing": params["label_smoothing"]}


class Method(Learner):
    """The first stage's network, and the bank of features (N, L) and probabilities (N, K) of target train."""

    features: Tensor
    probabilities: Tensor

    def __init__(self, net: Network, params: Params, setting: Setting) -> None:
        super().__init__(net, params, setting)
        refuse_replicas(setting.training.devices, "nrc")
        if setting.first is not None:
            net.load_state_dict(setting.first.net.state_dict())
        units = math.prod(activation_shapes(net, setting.image_shape)[1][1:])
        self.register_buffer("features", torch.zeros(setting.target_size, units))
        self.register_buffer("probabilities", torch.zeros(setting.target_size, setting.classes))

    def before_epoch(self, target: Callable[[], Iterable[Tensor]]) -> None:
        """Before the first epoch, fill the bank with all of target train, in evaluation mode."""
        if self.at.iteration:
            return
        with torch.no_grad(), evaluating(self.net):
            rows = [self.bank_rows(*self.net.activations(images)) for images in target()]
        features, probabilities = (torch.cat(parts) for parts in zip(*rows, strict=True))
        self.features.copy_(features)
        self.probabilities.copy_(probabilities)

    @staticmethod
    def bank_rows(hidden: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
        """The normalised features (B, L) and the probabilities (B, K) of a batch, without gradients."""
        return normalize(hidden.detach().float().flatten(1)), logits.detach().float().softmax(1)

    def loss(self, source: Labelled, target: Unlabelled) -> Parts:  # noqa: ARG002 - source-free
        """Put the batch into the bank, then let its predictions agree with those of its neighbours."""
        assert target.index is not None
        params, index = self.params, target.index.to(self.features.device)
        hidden, logits = self.net.activations(target.images)
        self.features[index], self.probabilities[index] = self.bank_rows(hidden, logits)
        near, affinity, further = neighbourhood(self.features, index, params.neighbours, params.expanded)
        p, bank = logits.float().softmax(1), self.probabilities
        weights = torch.where(affinity, 1.0, params.affinity)
        nearest = -agreement(p, bank[near], weights)
        kept = further != index[:, None] if params.self_weight else torch.ones_like(further, dtype=torch.bool)
        expanded = -agreement(p, bank[further], params.affinity * kept)
        own = -agreement(p, bank[index][:, None], torch.ones_like(p[:, :1]))
        diversity = math.log(p.shape[1]) - torch.special.entr(p.mean(0)).sum()
        total = diversity + nearest + expanded + params.self_weight * own
        return {"total": total, "near": nearest, "expanded": expanded, "own": own, "diversity": diversity}


def neighbourhood(features: Tensor, index: Tensor, count: int, further: int) -> tuple[Tensor, Tensor, Tensor]:
    """The neighbours of images in a bank by cosine.

    Args:
        features: (N, L), normalised.
        index: of the images in the bank, (B,).
        count: K, neighbours of each image, without the image itself.
        further: M, neighbours of each neighbour, without the neighbour itself.

    Returns:
        (B, K) the neighbours; (B, K) whether the image is among the M nearest of each; (B, K M) the neighbours'
        neighbours. A bank that is too small gives fewer.
    """
    near = nearest(features, index, count)
    of_near = nearest(features, near.flatten(), further).view(*near.shape, -1)
    return near, (of_near == index[:, None, None]).any(2), of_near.flatten(1)


def nearest(features: Tensor, index: Tensor, count: int) -> Tensor:
    """The ``count`` rows of a bank (N, L) that are nearest to the rows ``index`` (B,), these themselves left out."""
    cosine = features[index] @ features.T
    cosine = cosine.scatter(1, index[:, None], -inf)
    return cosine.topk(min(count, len(features) - 1)).indices


def agreement(p: Tensor, others: Tensor, weights: Tensor) -> Tensor:
    """Mean over images of sum_k w_ik S_ik . p_i, a scalar, for p (B, K), S (B, n, K) and w (B, n)."""
    return torch.einsum("bk,bnk,bn->b", p, others, weights.to(p)).mean()
