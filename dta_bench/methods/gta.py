"""GTA: Generate To Adapt (Sankaranarayanan et al., CVPR 2018): features from which source-like images can be drawn.

A generator G draws images from (condition, f(x), noise): a source image's condition is its class, a target image's one
slot more, "unknown". A judge D tells real source images from drawn ones, and of which class they are. In turn:
D: CE(D_c(x_s), y) - log D(x_s) - log(1 - D(G(s))) - log(1 - D(G(t)))
G: CE(D_c(G(s)), y) - log D(G(s))
features and classifier: CE(x_s) + weight * (CE(D_c(G(s)), y) - alpha log D(G(t))), G and D at rest (Eqs. 1-7).
G and D see 32 x 32 images: real ones are resized and, being standardised, divided by 3 and clipped to -1..1.

Floor: 2 forward and backward passes (source, target), 3 forward passes (features for D and for G), and G and D. (One
pass could serve all three phases, as the features move last; here each phase has its own, as everywhere.)
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
from dta_bench.nn.learner import Learner, Loss, Parts, Players, Setting, shapes
from dta_bench.nn.network import Labelled, Network, Unlabelled, frozen_statistics
from dta_bench.spec.run_spec import Training

tasks = ("classification",)
SIDE = 32
above_floor = "the generator and the judge"


@dataclass(frozen=True)
class Params:
    """Defaults: the authors' for digits; the rate of Adam is that of G and D."""

    weight: float = 0.1
    alpha: float = 0.3
    rate: float = 5e-4
    noise: int = 512
    width: int = 64

    def __post_init__(self) -> None:
        within(self, weight=(0, inf), alpha=(0, inf), rate=(1e-9, inf), noise=(1, inf), width=(1, inf))


def floor(params: Params) -> float:  # noqa: ARG001
    """The least work of a step, in source-only steps (a forward pass is a third of one), without G and D."""
    return 3.0


class Judge(nn.Module):
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
        """Real or drawn, and of which class."""
        seen = self.trunk(images)
        return self.real(seen)[:, 0], self.classes(seen)


class Method(Learner):
    """The network, the generator and the judge."""

    def __init__(self, net: Network, params: Params, setting: Setting) -> None:
        super().__init__(net, params, setting)
        units = shapes(net, setting.image_shape)[1][1]
        self.generator = generator(setting.classes + 1 + units + params.noise, setting.image_shape[0], params.width)
        self.judge = Judge(setting.image_shape[0], setting.classes, params.width)

    def players(self) -> Players:
        """Three, in the order of their phases from the last."""
        return {"net": [self.net], "generator": [self.generator], "judge": [self.judge]}

    def training_of(self, player: str) -> Training:
        """Generator and judge learn by Adam at their own rate."""
        return self.setting.training if player == "net" else self.adam(self.params.rate)

    def phases(self) -> Iterator[tuple[Sequence[str], Loss]]:
        """D, G, then the features and the classifier."""
        yield ("judge",), self.judging
        yield ("generator",), self.generating
        yield ("net",), self.adapt

    def judging(self, source: Labelled, target: Unlabelled) -> Parts:
        """D on real source images and on images drawn from both domains."""
        with torch.no_grad():
            drawn = [
                self.draw(self._still(of.images), labels) for of, labels in ((source, source.labels), (target, None))
            ]
        real, classes = self.judge(shown(source.images))
        taken = sum(verdict(self.judge(images)[0], False) for images in drawn)
        judged = cross_entropy(classes, source.labels) + verdict(real, True) + taken
        return {"total": judged, "judged": judged}

    def generating(self, source: Labelled, target: Unlabelled) -> Parts:  # noqa: ARG002 - it draws from the source
        """G on images of the source's classes."""
        real, classes = self.judge(self.draw(self._still(source.images), source.labels))
        generated = cross_entropy(classes, source.labels) + verdict(real, True)
        return {"total": generated, "generated": generated}

    def adapt(self, source: Labelled, target: Unlabelled) -> Parts:
        """Features from which D sees the right class and, of the target too, real images."""
        hidden_s, logits_s = self.net.activations(source.images)
        hidden_t = self.net.hidden(self.net.features(target.images))
        task = cross_entropy(logits_s, source.labels)
        drawn_as = cross_entropy(self.judge(self.draw(hidden_s, source.labels))[1], source.labels)
        fooled = verdict(self.judge(self.draw(hidden_t, None))[0], True)
        total = task + self.params.weight * (drawn_as + self.params.alpha * fooled)
        return {"total": total, "task": task, "drawn_as": drawn_as, "fooled": fooled}

    def draw(self, hidden: Tensor, labels: Tensor | None) -> Tensor:
        """Images (B, C, 32, 32) in -1..1 from features and labels; None is the unknown class of the target."""
        unknown = self.setting.classes
        slots = hidden.new_full((len(hidden),), unknown, dtype=torch.long) if labels is None else labels
        noise = torch.randn(len(hidden), self.params.noise, device=hidden.device)
        condition = torch.cat([one_hot(slots, unknown + 1).to(hidden), hidden, noise.to(hidden)], 1)
        return self.generator(condition[:, :, None, None])  # type: ignore[no-any-return]

    def _still(self, images: Tensor) -> Tensor:
        """Features without gradient, that leave the network's statistics alone."""
        with torch.no_grad(), frozen_statistics(self.net):
            return self.net.hidden(self.net.features(images))


def generator(units: int, channels: int, width: int) -> nn.Module:
    """(B, units, 1, 1) to (B, C, 32, 32) in -1..1: five transposed convolutions, each but the first doubling."""
    sizes = [8 * width, 4 * width, 2 * width, width]
    layers: list[nn.Module] = [nn.ConvTranspose2d(units, sizes[0], 2)]
    for a, b in pairwise([*sizes, channels]):
        layers += [nn.BatchNorm2d(a), nn.ReLU(), nn.ConvTranspose2d(a, b, 4, stride=2, padding=1)]
    made = nn.Sequential(*layers, nn.Tanh())
    for weight in made.parameters():
        if weight.ndim > 1:
            nn.init.normal_(weight, 0, 0.02)
    return made


def shown(images: Tensor) -> Tensor:
    """Network input as the judge sees it: (B, C, 32, 32) in -1..1."""
    sized = interpolate(images, (SIDE, SIDE), mode="bilinear", antialias=True)
    return (sized / 3).clamp(-1, 1)


def verdict(logits: Tensor, real: bool) -> Tensor:
    """Binary cross-entropy with all being real, or all drawn."""
    return binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)))
