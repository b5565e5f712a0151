"""GTA: Generate To Adapt (Sankaranarayanan et al., CVPR 2018): features that a generator turns into source images.

A generator G makes images from (condition, f(x), noise). The condition of a source image is its class, that of a target
image a further slot, "unknown". A discriminator D tells real source images from generated ones, and D_c their class.
Each step has three phases (Eqs. 1-7):
D: CE(D_c(x_s), y) - log D(x_s) - log(1 - D(G(s))) - log(1 - D(G(t)))
G: CE(D_c(G(s)), y) - log D(G(s))
features and classifier, G and D fixed: CE(x_s) + weight * (CE(D_c(G(s)), y) - alpha log D(G(t)))
G and D work on 32 x 32 images: real ones are resized and, as they are standardised, divided by 3 and clipped to -1..1.

Floor: 2 forward and backward passes (source, target), 3 forward passes (features for D and for G), and G and D. (The
features change in the last phase only, so one pass could serve all three; here each phase computes its own.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, interpolate, one_hot

from dta_bench.errors import within
from dta_bench.nn.learner import Learner, Loss, Parts, Players, Setting, activation_shapes
from dta_bench.nn.network import Labelled, Network, Unlabelled, frozen_statistics
from dta_bench.spec.run_spec import Training

tasks = ("classification",)
SIDE = 32
above_floor = "the generator and the judge"


@dataclass(frozen=True)
class Params:
    """Defaults: the authors' for digits."""

    weight: float = 0.1
    alpha: float = 0.3
    rate: float = 5e-4  # learning rate of G and D, by Adam
    noise: int = 512  # how many random numbers G is given
    width: int = 64  # of G and D

    def __post_init__(self) -> None:
        within(self, weight=(0, inf), alpha=(0, inf), rate=(1e-9, inf), noise=(1, inf), width=(1, inf))


def needs_pixels(params: Params) -> str:  # noqa: ARG001
    """What it changes is the image."""
    return "its generator makes images"


def floor(params: Params) -> float:  # noqa: ARG001
    """The least work of a step, in source-only steps (a forward pass is a third of one), without G and D."""
    return 3.0


class Discriminator(nn.Module):
    """Images (B, C, 32, 32) to the logit of being real (B,) and class logits (B, K)."""

    def __init__(self, channels: int, classes: int, width: int) -> None:
        super().__init__()
        sizes = pairwise([channels, width, 2 * width, 4 * width, 2 * width])
        blocks = [
            nn.Sequential(nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.LeakyReLU(0.2), nn.MaxPool2d(pool))
            for (a, b), pool in zip(sizes, (2, 2, 2, 4), strict=True)
        ]
        self.trunk = nn.Sequential(*blocks, nn.Flatten())
        self.real, self.classes = nn.Linear(2 * width, 1), nn.Linear(2 * width, classes)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The logit of being real (B,), and class logits (B, K)."""
        features = self.trunk(images)
        return self.real(features)[:, 0], self.classes(features)


class Method(Learner):
    """The network, the generator and the discriminator (``judge``)."""

    def __init__(self, net: Network, params: Params, setting: Setting) -> None:
        super().__init__(net, params, setting)
        units = activation_shapes(net, setting.image_shape)[1][1]
        self.generator = build_generator(
            setting.classes + 1 + units + params.noise, setting.image_shape[0], params.width
        )
        self.judge = Discriminator(setting.image_shape[0], setting.classes, params.width)

    def players(self) -> Players:
        """The network, the generator and the discriminator have an optimiser each."""
        return {"net": [self.net], "generator": [self.generator], "judge": [self.judge]}

    def training_of(self, player: str) -> Training:
        """The generator and the discriminator learn by Adam, at their own rate."""
        return self.setting.training if player == "net" else self.adam(self.params.rate)

    def phases(self) -> Iterator[tuple[Sequence[str], Loss]]:
        """D, then G, then the features and the classifier."""
        yield ("judge",), self.discriminator_loss
        yield ("generator",), self.generator_loss
        yield ("net",), self.network_loss

    def discriminator_loss(self, source: Labelled, target: Unlabelled) -> Parts:
        """The loss of D on real source images, and on images generated for both domains."""
        with torch.no_grad():
            generated_s = self.generate(self._features_without_gradient(source.images), source.labels)
            generated_t = self.generate(self._features_without_gradient(target.images), None)
        real, classes = self.judge(to_discriminator_input(source.images))
        on_generated = sum(
            real_or_generated_loss(self.judge(images)[0], False) for images in (generated_s, generated_t)
        )
        total = cross_entropy(classes, source.labels) + real_or_generated_loss(real, True) + on_generated
        return {"total": total, "judged": total}

    def generator_loss(self, source: Labelled, target: Unlabelled) -> Parts:  # noqa: ARG002 - it needs the source only
        """The loss of G on images generated for the source."""
        real, classes = self.judge(self.generate(self._features_without_gradient(source.images), source.labels))
        total = cross_entropy(classes, source.labels) + real_or_generated_loss(real, True)
        return {"total": total, "generated": total}

    def network_loss(self, source: Labelled, target: Unlabelled) -> Parts:
        """The loss of the features and the classifier, through G and D.

        ``drawn_as`` is the cross-entropy of the class that D sees in images generated for the source, ``fooled`` is
        -log D of images generated for the target.
        """
        hidden_s, logits_s = self.net.activations(source.images)
        hidden_t = self.net.hidden(self.net.features(target.images))
        task = cross_entropy(logits_s, source.labels)
        drawn_as = cross_entropy(self.judge(self.generate(hidden_s, source.labels))[1], source.labels)
        fooled = real_or_generated_loss(self.judge(self.generate(hidden_t, None))[0], True)
        total = task + self.params.weight * (drawn_as + self.params.alpha * fooled)
        return {"total": total, "task": task, "drawn_as": drawn_as, "fooled": fooled}

    def generate(self, hidden: Tensor, labels: Tensor | None) -> Tensor:
        """Images (B, C, 32, 32) in -1..1 from features (B, L) and labels (B,); None: the target's "unknown"."""
        unknown = self.setting.classes
        slots = hidden.new_full((len(hidden),), unknown, dtype=torch.long) if labels is None else labels
        noise = torch.randn(len(hidden), self.params.noise, device=hidden.device)
        condition = torch.cat([one_hot(slots, unknown + 1).to(hidden), hidden, noise.to(hidden)], 1)
        return self.generator(condition[:, :, None, None])  # type: ignore[no-any-return]

    def _features_without_gradient(self, images: Tensor) -> Tensor:
        """Features (B, L) without a gradient; BatchNorm's running statistics are not updated."""
        with torch.no_grad(), frozen_statistics(self.net):
            return self.net.hidden(self.net.features(images))


def build_generator(units: int, channels: int, width: int) -> nn.Module:
    """A generator from (B, units, 1, 1) to images (B, channels, 32, 32) in -1..1.

    It has five transposed convolutions: the first to 2 x 2 pixels and 8 * ``width`` channels, each further one doubles
    the sides.
    """
    sizes = [8 * width, 4 * width, 2 * width, width]
    layers: list[nn.Module] = [nn.ConvTranspose2d(units, sizes[0], 2)]
    for a, b in pairwise([*sizes, channels]):
        layers += [nn.BatchNorm2d(a), nn.ReLU(), nn.ConvTranspose2d(a, b, 4, stride=2, padding=1)]
    generator = nn.Sequential(*layers, nn.Tanh())
    for weight in generator.parameters():
        if weight.ndim > 1:
            nn.init.normal_(weight, 0, 0.02)
    return generator


def to_discriminator_input(images: Tensor) -> Tensor:
    """Standardised images (B, C, H, W) as the discriminator gets them: (B, C, 32, 32) in -1..1."""
    sized = interpolate(images, (SIDE, SIDE), mode="bilinear", antialias=True)
    return (sized / 3).clamp(-1, 1)


def real_or_generated_loss(logits: Tensor, real: bool) -> Tensor:
    """Binary cross-entropy of D's logits (B,) where all images are real, or all are generated."""
    return binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)))
