"""AdaptSegNet: adversarial alignment of label maps (Tsai et al., CVPR 2018), at one level, the output.

A convolutional discriminator D tells source from target by the class probabilities around each pixel. Each step has two
phases:
network: CE(source) + weight * BCE(D(p_t), source) (Eqs. 1-4), D fixed;
D: the mean over both domains of the binary cross-entropy with the true domain, p_s and p_t without gradient (Eq. 2).
The paper's second level is left out (mean IoU 41.4 with one level, 42.4 with both): it needs a smaller head inside the
encoder, which every backbone would have to have.

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
    """Defaults: the authors' weight at the output and their discriminator's width and learning rate."""

    weight: float = 0.001
    judge_rate: float = 1e-4  # the discriminator's learning rate, by Adam
    width: int = 64  # of the discriminator's first layer

    def __post_init__(self) -> None:
        within(self, weight=(0, inf), judge_rate=(1e-9, inf), width=(1, inf))


def floor(params: Params) -> float:  # noqa: ARG001
    """The least work of a step, in source-only steps, without the discriminator."""
    return 2.0


class Method(Learner):
    """The network and a discriminator of maps (``judge``), with an optimiser each."""

    def __init__(self, net: Network, params: Params, setting: Setting) -> None:
        super().__init__(net, params, setting)
        self.judge = build_map_discriminator(setting.classes, params.width, min(setting.image_shape[1:]))
        # What the network's phase leaves for the discriminator's: the maps of each piece of the batch.
        self._maps: list[tuple[Tensor, Tensor]] = []

    def players(self) -> Players:
        """The network and the discriminator."""
        return {"net": [self.net], "judge": [self.judge]}

    def training_of(self, player: str) -> Training:
        """The discriminator learns by Adam, at its own rate."""
        return self.setting.training if player == "net" else self.adam(self.params.judge_rate)

    def phases(self) -> Iterator[tuple[Sequence[str], Loss]]:
        """First the network, then the discriminator on the maps that the network has just made."""
        self._maps = []
        yield ("net",), self.network_loss
        yield ("judge",), self.discriminator_loss

    def discriminator_input(self, logits: Tensor) -> Tensor:
        """What the discriminator is given for logits (B, K, H, W): the class probabilities."""
        return logits.float().softmax(1)

    def network_loss(self, source: Labelled, target: Unlabelled) -> Parts:
        """Cross-entropy on the source (pixels labelled 255 do not count), and BCE(D(p_t), source)."""
        logits_s, logits_t = self.net(source.images), self.net(target.images)
        maps_s, maps_t = self.discriminator_input(logits_s.detach()), self.discriminator_input(logits_t)
        self._maps.append((maps_s, maps_t.detach()))
        task = cross_entropy(logits_s, source.labels, ignore_index=255)
        domain_logits = self.judge(maps_t)
        fooled = binary_cross_entropy_with_logits(domain_logits, torch.ones_like(domain_logits))
        return {"total": task + self.params.weight * fooled, "task": task, "fooled": fooled}

    def discriminator_loss(self, source: Labelled, target: Unlabelled) -> Parts:  # noqa: ARG002 - it has their maps
        """The discriminator's loss on the maps of both domains."""
        domain = domain_loss(*(self.judge(maps) for maps in self._maps.pop(0)))
        return {"total": domain, "domain": domain}


def build_map_discriminator(classes: int, width: int, side: int) -> nn.Module:
    """A discriminator of maps (B, K, H, W): five convolutions 4 x 4 of stride 2, with leaky ReLUs between them.

    Args:
        classes: K.
        width: channels after the first convolution; each further one doubles them, the last has one output.
        side: the shorter side of the maps; below 32 there are fewer convolutions, so that the last map has a pixel.

    Returns:
        A network with domain logits (B, 1, H/32, W/32).
    """
    layers = max(1, min(5, int(log2(side))))
    channels = [classes, *(width * 2**i for i in range(layers - 1)), 1]
    *inner, last = [nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in pairwise(channels)]
    return nn.Sequential(*(layer for conv in inner for layer in (conv, nn.LeakyReLU(0.2))), last)
