"""AdaptSegNet: adversarial alignment of label maps (Tsai et al., CVPR 2018), at one level, the output.

A convolutional discriminator D tells source from target by the class probabilities around each place. In turn:
network: CE(source) + weight * BCE(D(p_t), source) (Eqs. 1-4), D at rest;
D: half the binary cross-entropy on each domain, p_s and p_t without gradient (Eq. 2).
The paper's second level, a smaller head inside the encoder, would ask the same of every backbone and is left out (41.4
with one level, 42.4 with both).

Floor: 2 forward and backward passes of the network (source, target), 3 of D (target; then both domains).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf, log2

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from dta_bench.errors import within
from dta_bench.nn.domain_adversarial import domain_loss
from dta_bench.nn.learner import Learner, Loss, Parts, Players, Setting
from dta_bench.nn.network import Labelled, Network, Unlabelled
from dta_bench.spec.run_spec import Training

tasks = ("segmentation",)
above_floor = "the judge of maps"


@dataclass(frozen=True)
class Params:
    """Defaults: the authors' weight at the output and their discriminator's width and Adam rate."""

    weight: float = 0.001
    judge_rate: float = 1e-4
    width: int = 64

    def __post_init__(self) -> None:
        within(self, weight=(0, inf), judge_rate=(1e-9, inf), width=(1, inf))


def floor(params: Params) -> float:  # noqa: ARG001
    """The least work of a step, in source-only steps, without the judge."""
    return 2.0


class Method(Learner):
    """The network and a discriminator of maps, an optimiser each."""

    def __init__(self, net: Network, params: Params, setting: Setting) -> None:
        super().__init__(net, params, setting)
        self.judge = map_discriminator(setting.classes, params.width, min(setting.image_shape[1:]))
        self._shown: list[tuple[Tensor, Tensor]] = []

    def players(self) -> Players:
        """The network against the judge."""
        return {"net": [self.net], "judge": [self.judge]}

    def training_of(self, player: str) -> Training:
        """The judge learns by Adam at its own rate."""
        return self.setting.training if player == "net" else self.adam(self.params.judge_rate)

    def phases(self) -> Iterator[tuple[Sequence[str], Loss]]:
        """First the network, then the judge on the maps that the network has just made."""
        self._shown = []
        yield ("net",), self.fool
        yield ("judge",), self.tell_apart

    def seen(self, logits: Tensor) -> Tensor:
        """What the judge looks at, (B, K, H, W): the class probabilities."""
        return logits.float().softmax(1)

    def fool(self, source: Labelled, target: Unlabelled) -> Parts:
        """Cross-entropy, and the target's maps taken for the source's. Source pixels labelled 255 do not count."""
        logits_s, logits_t = self.net(source.images), self.net(target.images)
        seen_s, seen_t = self.seen(logits_s.detach()), self.seen(logits_t)
        self._shown.append((seen_s, seen_t.detach()))
        task = cross_entropy(logits_s, source.labels, ignore_index=255)
        judged = self.judge(seen_t)
        fooled = binary_cross_entropy_with_logits(judged, torch.ones_like(judged))
        return {"total": task + self.params.weight * fooled, "task": task, "fooled": fooled}

    def tell_apart(self, source: Labelled, target: Unlabelled) -> Parts:  # noqa: ARG002 - it saw them in ``fool``
        """The judge's loss on both domains, a map at a time as its layers share nothing between samples."""
        domain = domain_loss(*(self.judge(seen) for seen in self._shown.pop(0)))
        return {"total": domain, "domain": domain}


def map_discriminator(classes: int, width: int, side: int) -> nn.Module:
    """Maps (B, K, H, W) to domain logits (B, 1, H/32, W/32): five convolutions of 4 x 4, stride 2, leaky in between.

    Fewer where the shorter ``side`` has less than 32 pixels, so that the last map has at least one.
    """
    layers = max(1, min(5, int(log2(side))))
    channels = [classes, *(width * 2**i for i in range(layers - 1)), 1]
    steps = [nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in pairwise(channels)]
    return nn.Sequential(*(part for step in steps[:-1] for part in (step, nn.LeakyReLU(0.2))), steps[-1])
