"""FDA: Fourier domain adaptation (Yang & Soatto, CVPR 2020): source images with the target's low frequencies.

Each source image x_s gets the amplitudes of a target image x_t at low frequencies and keeps its own phases (Eq. 2).
With M the square of frequencies from -b to b, b = floor(min(H, W) * beta):
x = F^-1(M |F x_t| + (1 - M) |F x_s|, phase of F x_s). Then
total = CE(x) + entropy_weight * mean ((H / log K)^2 + 1e-8)^eta over target pixels (Eqs. 3-5); the second term starts
after the share ``entropy_from`` of the run. One beta is used; the paper also averages networks of three betas.

Floor: 1 forward and backward pass (source); 2 with the entropy (target).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, log

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from dta_bench.errors import within
from dta_bench.nn.batch_marks import mark_as
from dta_bench.nn.learner import Learner, Parts
from dta_bench.nn.network import Labelled, Unlabelled

tasks = ("segmentation",)


@dataclass(frozen=True)
class Params:
    """Defaults: the authors'; they add the entropy at iteration 50,000 of 150,000, here a share of the run."""

    beta: float = 0.01  # the paper's three: 0.01, 0.05, 0.09
    entropy_weight: float = 0.005
    entropy_from: float = 1 / 3
    eta: float = 2.0

    def __post_init__(self) -> None:
        within(self, beta=(0, 0.49), entropy_weight=(0, inf), entropy_from=(0, 1), eta=(0, inf))


def needs_pixels(params: Params) -> str:  # noqa: ARG001
    """What it changes is the image."""
    return "it gives source images the target's low frequencies"


def floor(params: Params) -> float:
    """The least work of a step once the entropy term is on, in source-only steps."""
    return 2.0 if params.entropy_weight else 1.0


class Method(Learner):
    """The network alone; the late entropy term needs to know the share of the run."""

    def loss(self, source: Labelled, target: Unlabelled) -> Parts:
        """Cross-entropy on the changed source images (pixels labelled 255 do not count), and the robust entropy."""
        images = mark_as(transfer_low_frequencies(source.images, target.images, self.params.beta), source.images)
        task = cross_entropy(self.net(images), source.labels, ignore_index=255)
        if not self.params.entropy_weight or self.at.done < self.params.entropy_from:
            return {"total": task, "task": task, "entropy": torch.zeros_like(task)}
        entropy = robust_entropy(self.net(target.images), self.params.eta)
        return {"total": task + self.params.entropy_weight * entropy, "task": task, "entropy": entropy}


def transfer_low_frequencies(source: Tensor, target: Tensor, beta: float) -> Tensor:
    """Source images with the amplitudes of target images at low frequencies (Eq. 2).

    The mean (frequency 0) is taken over with its sign. In the paper pixel values are not negative and neither is their
    mean; with the sign, standardised images give what standardising the paper's result gives.

    Args:
        source: (B, C, H, W).
        target: of the same shape.
        beta: the size of the square, as a share of the shorter side.

    Returns:
        Images of the same shape.
    """
    height, width = source.shape[-2:]
    b = int(min(height, width) * beta)
    spectrum_s, spectrum_t = torch.fft.rfft2(source.float()), torch.fft.rfft2(target.float())
    rows = torch.arange(-b, b + 1)[:, None]
    low = (..., rows, torch.arange(b + 1)[None])  # rfft2 stores no negative frequencies on the last axis
    mixed = spectrum_s.clone()
    mixed[low] = torch.polar(spectrum_t[low].abs(), spectrum_s[low].angle())
    mixed[..., 0, 0] = spectrum_t[..., 0, 0]
    return torch.fft.irfft2(mixed, s=(height, width)).to(source.dtype)  # type: ignore[no-any-return]


def robust_entropy(logits: Tensor, eta: float) -> Tensor:
    """mean (h^2 + 1e-8)^eta with h = H(p) / log K (Eqs. 3-5), from logits (B, K, H, W), a scalar.

    Confident pixels contribute less to it than to the plain entropy.
    """
    h = torch.special.entr(logits.float().softmax(1)).sum(1) / log(logits.shape[1])
    return (h.square() + 1e-8).pow(eta).mean()  # type: ignore[no-any-return]
