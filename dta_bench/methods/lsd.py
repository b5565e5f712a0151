"""LSD: learning from synthetic data (Sankaranarayanan et al., CVPR 2018): domains are aligned by redrawing images.

A generator G redraws an image from its features f(x). A discriminator D tells, at each pixel of its map, four kinds of
images apart (source or target, real or redrawn), and D_c the class of each pixel. Each step has three phases, with CE_k
the cross-entropy with kind k everywhere:
D: mean of CE_k over the four kinds + CE(D_c(x_s), y)
G: L1(G(x), x) in both domains + adversarial * (CE_source real(G(s)) + CE_target real(G(t)))
network, G and D fixed: CE(x_s) + adversarial * (CE_target real(G(s)) + CE_source real(G(t)))
    + auxiliary * CE(D_c(G(s)), y)
So the network learns features whose redrawn images D takes for images of the other domain.
Images are standardised, so G and D get them divided by 3 and clipped to -1..1. The features are those at the
classifier's dropout site. G and D have Adam's usual first moment (the authors' is .7).

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
from dta_bench.nn.learner import Learner, Loss, Parts, Players, Setting, activation_shapes
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
    rate: float = 1e-4  # learning rate of G and D, by Adam
    width: int = 64  # of G and D

    def __post_init__(self) -> None:
        within(self, adversarial=(0, inf), auxiliary=(0, inf), rate=(1e-9, inf), width=(1, inf))


def needs_pixels(params: Params) -> str:  # noqa: ARG001
    """What it changes is the image."""
    return "its generator makes images"


def floor(params: Params) -> float:  # noqa: ARG001
    """The least work of a step, in source-only steps (a forward pass is a third of one), without G and D."""
    return 2 + 2 / 3


class Discriminator(nn.Module):
    """Images (B, C, H, W) to the logits of their kind (B, 4, h, w) and of each pixel's class (B, K, H, W).

    Args:
        channels: C.
        classes: K.
        width: channels after the first of up to four convolutions of stride 2.
        side: the shorter side of the images; below 16 there are fewer convolutions.
    """

    def __init__(self, channels: int, classes: int, width: int, side: int) -> None:
        super().__init__()
        sizes = [channels, *(width * 2**i for i in range(max(1, min(4, int(log2(side))))))]
        steps = [(nn.Conv2d(a, b, 4, stride=2, padding=1), nn.LeakyReLU(0.2)) for a, b in pairwise(sizes)]
        self.trunk = nn.Sequential(*(part for step in steps for part in step))
        self.kinds, self.classes = nn.Conv2d(sizes[-1], len(KINDS), 1), nn.Conv2d(sizes[-1], classes, 1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Kinds (B, 4, h, w) and classes (B, K, H, W)."""
        features = self.trunk(images)
        classes = interpolate(self.classes(features), images.shape[2:], mode="bilinear", align_corners=False)
        return self.kinds(features), classes


class Method(Learner):
    """The network, the generator and the discriminator (``judge``)."""

    def __init__(self, net: Network, params: Params, setting: Setting) -> None:
        super().__init__(net, params, setting)
        channels, height, width = setting.image_shape
        hidden = torch.empty(activation_shapes(net, setting.image_shape)[1], device="meta").movedim(net.hidden_axis, 1)
        self.generator = build_generator(hidden.shape[1], channels, params.width, ceil(log2(height / hidden.shape[2])))
        self.judge = Discriminator(channels, setting.classes, params.width, min(height, width))
        # What D's phase leaves for G's: the features of each piece of the batch.
        self._features: list[tuple[Tensor, Tensor]] = []

    def players(self) -> Players:
        """The network, the generator and the discriminator have an optimiser each."""
        return {"net": [self.net], "generator": [self.generator], "judge": [self.judge]}

    def training_of(self, player: str) -> Training:
        """The generator and the discriminator learn by Adam, at their own rate."""
        return self.setting.training if player == "net" else self.adam(self.params.rate)

    def phases(self) -> Iterator[tuple[Sequence[str], Loss]]:
        """D, then G from the same features, then the network."""
        self._features = []
        yield ("judge",), self.discriminator_loss
        yield ("generator",), self.generator_loss
        yield ("net",), self.network_loss

    def discriminator_loss(self, source: Labelled, target: Unlabelled) -> Parts:
        """The loss of D on real and redrawn images of both domains (``judged``), and of D_c on the source's labels."""
        with torch.no_grad(), frozen_statistics(self.net):
            self._features.append((self._hidden(source.images), self._hidden(target.images)))
            hidden_s, hidden_t = self._features[-1]
            redrawn_s, redrawn_t = self.redraw(hidden_s, source.images), self.redraw(hidden_t, target.images)
        kinds, classes = self.judge(to_discriminator_input(source.images))
        target_images = to_discriminator_input(target.images)
        others = ((redrawn_s, SOURCE_REDRAWN), (target_images, TARGET), (redrawn_t, TARGET_REDRAWN))
        of_others = sum(kind_loss(self.judge(images)[0], kind) for images, kind in others)
        judged = (kind_loss(kinds, SOURCE) + of_others) / len(KINDS)
        classed = cross_entropy(classes, source.labels, ignore_index=255)
        return {"total": judged + classed, "judged": judged, "classed": classed}

    def generator_loss(self, source: Labelled, target: Unlabelled) -> Parts:
        """The loss of G: redrawn images are like their originals, and D takes them for real ones of their domain."""
        hidden_s, hidden_t = self._features.pop(0)
        redrawn_s, redrawn_t = self.redraw(hidden_s, source.images), self.redraw(hidden_t, target.images)
        images_s, images_t = to_discriminator_input(source.images), to_discriminator_input(target.images)
        redrawn = l1_loss(redrawn_s, images_s) + l1_loss(redrawn_t, images_t)
        taken = kind_loss(self.judge(redrawn_s)[0], SOURCE) + kind_loss(self.judge(redrawn_t)[0], TARGET)
        return {"total": redrawn + self.params.adversarial * taken, "redrawn": redrawn, "taken": taken}

    def network_loss(self, source: Labelled, target: Unlabelled) -> Parts:
        """Cross-entropy on the source, and the loss of redrawn images that D takes for the other domain's.

        ``drawn_as`` is the cross-entropy of the classes that D sees in the redrawn source images.
        """
        hidden_s, hidden_t = self._hidden(source.images), self._hidden(target.images)
        task = cross_entropy(self.net.head(hidden_s.movedim(1, self.net.hidden_axis)), source.labels, ignore_index=255)
        kinds_s, classes = self.judge(self.redraw(hidden_s, source.images))
        kinds_t, _ = self.judge(self.redraw(hidden_t, target.images))
        fooled = kind_loss(kinds_s, TARGET) + kind_loss(kinds_t, SOURCE)
        drawn_as = cross_entropy(classes, source.labels, ignore_index=255)
        total = task + self.params.adversarial * fooled + self.params.auxiliary * drawn_as
        return {"total": total, "task": task, "fooled": fooled, "drawn_as": drawn_as}

    def redraw(self, hidden: Tensor, like: Tensor) -> Tensor:
        """Images in -1..1 of the size of the images ``like`` (B, C, H, W), from features (B, units, h, w)."""
        redrawn = interpolate(self.generator(hidden), like.shape[2:], mode="bilinear", align_corners=False)
        return redrawn.tanh()

    def _hidden(self, images: Tensor) -> Tensor:
        """Features (B, units, h, w), whatever axis the network has its units on."""
        return self.net.hidden(self.net.features(images)).movedim(self.net.hidden_axis, 1)


def build_generator(units: int, channels: int, width: int, doublings: int) -> nn.Module:
    """A generator from features (B, units, h, w) to (B, channels, h 2^doublings, w 2^doublings).

    It has a convolution at each size, the first with ``width`` channels and each further one with half as many, but at
    least 8.
    """
    sizes = [units, *(max(8, width // 2**i) for i in range(doublings + 1))]
    layers: list[nn.Module] = []
    for step, (a, b) in enumerate(pairwise(sizes)):
        layers += [nn.Upsample(scale_factor=2)] * (step > 0)
        layers += [nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv2d(sizes[-1], channels, 3, padding=1))


def to_discriminator_input(images: Tensor) -> Tensor:
    """Standardised images as D gets them and as G redraws them: in -1..1."""
    return (images / 3).clamp(-1, 1)


def kind_loss(kinds: Tensor, kind: int) -> Tensor:
    """Cross-entropy of D's logits (B, 4, h, w) with one kind at every pixel; a scalar in nats."""
    return cross_entropy(kinds, kinds.new_full((len(kinds), *kinds.shape[2:]), kind, dtype=torch.long))
