"""RTN: residual transfer network (Long et al., NIPS 2016).

The source classifier is the target classifier plus a residual: f_S = f_T + D(f_T) (Eq. 3); f_T predicts in both
domains.

total = CE(f_S(source)) + ramp(q) * [ entropy * H(f_T(target)) + mmd * MMD^2(u_s, u_t) ]                 (Eqs. 5-8)

u is the fused tensor, all products of features and class activations; q is the share of the run.

Floor: 2 forward and backward passes (source, target).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dta_bench.errors import one_of, within
from dta_bench.nn.domain_adversarial import dann_ramp
from dta_bench.nn.learner import Learner, Parts, Setting
from dta_bench.nn.losses import conditional_entropy
from dta_bench.nn.mmd import Bandwidth, mk_mmd
from dta_bench.nn.network import Labelled, Network, Unlabelled

tasks = ("classification",)
Fusion = Literal["logits", "softmax"]


@dataclass(frozen=True)
class Params:
    """Defaults: the released code's weights and ramp."""

    entropy: float = 0.1
    mmd: float = 1.0
    bandwidth: Bandwidth = "all"
    fusion: Fusion = "logits"  # the class activations; the released code takes logits

    def __post_init__(self) -> None:
        within(self, entropy=(0, inf), mmd=(0, inf))
        one_of(self, fusion=get_args(Fusion))


def floor(params: Params) -> float:  # noqa: ARG001
    """The least work of a step, in source-only steps."""
    return 2.0


class Method(Learner):
    """The network, which is f_T, and the residual D, two layers from logits to logits."""

    def __init__(self, net: Network, params: Params, setting: Setting) -> None:
        super().__init__(net, params, setting)
        k = setting.classes
        first, last = nn.Linear(k, k), nn.Linear(k, k)
        for layer in (first, last):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)
        self.residual = nn.Sequential(first, nn.ReLU(), last)

    def loss(self, source: Labelled, target: Unlabelled) -> Parts:
        """Cross-entropy of f_S on the source, entropy of f_T on the target, and MMD^2 of the fused tensors."""
        (hidden_s, logits_s), (hidden_t, logits_t) = (self.net.activations(of.images) for of in (source, target))
        task = cross_entropy(logits_s + self.residual(logits_s), source.labels)
        entropy = conditional_entropy(logits_t)
        discrepancy = mk_mmd(self.fuse(hidden_s, logits_s), self.fuse(hidden_t, logits_t), self.params.bandwidth)
        ramp = dann_ramp(self.at.done)
        total = task + ramp * (self.params.entropy * entropy + self.params.mmd * discrepancy)
        return {"total": total, "task": task, "entropy": entropy, "mmd": discrepancy}

    def fuse(self, hidden: Tensor, logits: Tensor) -> Tensor:
        """All products of features (B, L) and class activations (B, K), (B, L K)."""
        activations = logits if self.params.fusion == "logits" else logits.softmax(1)
        return torch.einsum("nu,nk->nuk", hidden, activations).flatten(1)
