"""LSD: learning from synthetic data (Sankaranarayanan et al., CVPR 2018): features from which either domain is redrawn.

A generator G redraws an image from its features f(x). A judge D tells, at each place, four kinds of image apart (source
or target, real or redrawn) and of which class a pixel is. In turn, with CE_k the cross-entropy with kind k everywhere:
D: mean of CE_k over the four kinds + CE(D_c(x_s), y)
G: L1(G(x), x) in both domains + adversarial * (CE_source real(G(s)) + CE_target real(G(t)))
network: CE(x_s) + adversarial * (CE_target real(G(s)) + CE_source real(G(t))) + auxiliary * CE(D_c(G(s)), y), G and D
at rest: what is redrawn of one domain is to be taken for the other.
Images are standardised, so G and D see them divided by 3 and clipped to -1..1. Features are those at the classifier's
dropout site. G and D have Adam's usual first moment (the authors' is .7).

Floor: 2 forward and backward passes (source, target), 2 forward passes (features for D and G), and G and D.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, inf, log2

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate, l1_loss

from dta_bench.errors import within
from dta_bench.nn.learner import Learner, Loss, Parts, Players, Setting, shapes
from dta_bench.nn.network import Labelled, Network, Unlabelled, frozen_statistics
from dta_bench.spec.run_spec import Training

tasks = ("segmentation",)
KINDS = ("source real", "source redrawn", "target real", "target redrawn")
above_floor = "the generator and the judge"
SOURCE, SOURCE_REDRAWN, TARGET, TARGET_REDRAWN = range(len(KINDS))


@dataclass(frozen=True)
class Params:
    """Defaults: the authors' weights and rate; ``width`` is ours."""

    adversarial: float = 0.1
    auxiliary: float = 0.1
    rate: float = 1e-4
    width: int = 64

    def __post_init__(self) -> None:
        within(self, adversarial=(0, inf), auxiliary=(0, inf), rate=(1e-9, inf), width=(1, inf))


def floor(params: Params) -> float:  # noqa: ARG001
    """The least work of a step, in source-only steps (a forward pass is a third of one), without G and D."""
    return 2 + 2 / 3


class Judge(nn.Module):
    """Images (B, C, H, W) to the logits of their kind at each place (B, 4, h, w), and of each pixel's class."""

    def __init__(self, channels: int, classes: int, width: int, side: int) -> None:
        super().__init__()
        sizes = [channels, *(width * 2**i for i in range(max(1, min(4, int(log2(side))))))]
        steps = [(nn.Conv2d(a, b, 4, stride=2, padding=1), nn.LeakyReLU(0.2)) for a, b in pairwise(sizes)]
        self.trunk = nn.Sequential(*(part for step in steps for part in step))
        self.kinds, self.classes = nn.Conv2d(sizes[-1], len(KINDS), 1), nn.Conv2d(sizes[-1], classes, 1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Kinds (B, 4, h, w) and classes (B, K, H, W)."""
        seen = self.trunk(images)
        classes = interpolate(self.classes(seen), images.shape[2:], mode="bilinear", align_corners=False)
        return self.kinds(seen), classes


class Method(Learner):
    """The network, the generator and the judge."""

    def __init__(self, net: Network, params: Params, setting: Setting) -> None:
        super().__init__(net, params, setting)
        channels, height, width = setting.image_shape
        hidden = torch.empty(shapes(net, setting.image_shape)[1], device="meta").movedim(net.hidden_axis, 1)
        self.generator = generator(hidden.shape[1], channels, params.width, ceil(log2(height / hidden.shape[2])))
        self.judge = Judge(channels, setting.classes, params.width, min(height, width))
        self._features: list[tuple[Tensor, Tensor]] = []

    def players(self) -> Players:
        """Three, in the order of their phases from the last."""
        return {"net": [self.net], "generator": [self.generator], "judge": [self.judge]}

    def training_of(self, player: str) -> Training:
        """Generator and judge learn by Adam at their own rate."""
        return self.setting.training if player == "net" else self.adam(self.params.rate)

    def phases(self) -> Iterator[tuple[Sequence[str], Loss]]:
        """D, then G from the same features, then the network."""
        self._features = []
        yield ("judge",), self.judging
        yield ("generator",), self.generating
        yield ("net",), self.adapt

    def judging(self, source: Labelled, target: Unlabelled) -> Parts:
        """D on real and redrawn images of both domains, and on the classes of real source pixels."""
        with torch.no_grad(), frozen_statistics(self.net):
            self._features.append((self._hidden(source.images), self._hidden(target.images)))
            drawn_s, drawn_t = (
                self.draw(of, like) for of, like in zip(self._features[-1], (source.images, target.images), strict=True)
            )
        kinds, classes = self.judge(shown(source.images))
        others = ((drawn_s, SOURCE_REDRAWN), (shown(target.images), TARGET), (drawn_t, TARGET_REDRAWN))
        told = sum(verdict(self.judge(images)[0], kind) for images, kind in others)
        judged = (verdict(kinds, SOURCE) + told) / len(KINDS)
        classed = cross_entropy(classes, source.labels, ignore_index=255)
        return {"total": judged + classed, "judged": judged, "classed": classed}

    def generating(self, source: Labelled, target: Unlabelled) -> Parts:
        """G on both domains, each to look like itself."""
        drawn_s, drawn_t = (
            self.draw(of, like) for of, like in zip(self._features.pop(0), (source.images, target.images), strict=True)
        )
        redrawn = l1_loss(drawn_s, shown(source.images)) + l1_loss(drawn_t, shown(target.images))
        taken = verdict(self.judge(drawn_s)[0], SOURCE) + verdict(self.judge(drawn_t)[0], TARGET)
        return {"total": redrawn + self.params.adversarial * taken, "redrawn": redrawn, "taken": taken}

    def adapt(self, source: Labelled, target: Unlabelled) -> Parts:
        """Cross-entropy, and features that D takes for the other domain's once they are redrawn."""
        hidden_s, hidden_t = self._hidden(source.images), self._hidden(target.images)
        task = cross_entropy(self.net.head(hidden_s.movedim(1, self.net.hidden_axis)), source.labels, ignore_index=255)
        kinds_s, classes = self.judge(self.draw(hidden_s, source.images))
        kinds_t, _ = self.judge(self.draw(hidden_t, target.images))
        fooled = verdict(kinds_s, TARGET) + verdict(kinds_t, SOURCE)
        drawn_as = cross_entropy(classes, source.labels, ignore_index=255)
        total = task + self.params.adversarial * fooled + self.params.auxiliary * drawn_as
        return {"total": total, "task": task, "fooled": fooled, "drawn_as": drawn_as}

    def draw(self, hidden: Tensor, like: Tensor) -> Tensor:
        """Images in -1..1 of the size of ``like``, from features (B, units, h, w)."""
        made = interpolate(self.generator(hidden), like.shape[2:], mode="bilinear", align_corners=False)
        return made.tanh()

    def _hidden(self, images: Tensor) -> Tensor:
        return self.net.hidden(self.net.features(images)).movedim(self.net.hidden_axis, 1)


def generator(units: int, channels: int, width: int, doublings: int) -> nn.Module:
    """(B, units, h, w) to (B, C, h 2^doublings, w 2^doublings): a convolution at each size, half as wide each time."""
    sizes = [units, *(max(8, width // 2**i) for i in range(doublings + 1))]
    layers: list[nn.Module] = []
    for step, (a, b) in enumerate(pairwise(sizes)):
        layers += [nn.Upsample(scale_factor=2)] * (step > 0)
        layers += [nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv2d(sizes[-1], channels, 3, padding=1))


def shown(images: Tensor) -> Tensor:
    """Standardised images as G and D see them, in -1..1."""
    return (images / 3).clamp(-1, 1)


def verdict(kinds: Tensor, kind: int) -> Tensor:
    """Cross-entropy with every place being of that kind."""
    return cross_entropy(kinds, kinds.new_full((len(kinds), *kinds.shape[2:]), kind, dtype=torch.long))
