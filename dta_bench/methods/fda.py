"""FDA: Fourier domain adaptation (Yang & Soatto, CVPR 2020): source images with the target's low frequencies.

Each source image x_s takes, in a square of frequencies up to b = floor(min(H, W) * beta) around nought, the amplitudes
of a target image x_t, and keeps its phases (Eq. 2): x = F^-1(M |F x_t| + (1 - M) |F x_s|, phase of F x_s). Then
total = CE(x) + entropy_weight * mean ((H / log K)^2 + 1e-8)^eta over target pixels (Eqs. 3-5), the second from the
share ``entropy_from`` of the run on. Of the paper's three bands this is one; averaging three networks is left out.

Floor: 1 forward and backward pass (source); 2 with the entropy (target).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, log

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from dta_bench.errors import within
from dta_bench.nn.learner import Learner, Parts
from dta_bench.nn.network import Labelled, Unlabelled

tasks = ("segmentation",)


@dataclass(frozen=True)
class Params:
    """Defaults: the authors'; their switch to the entropy at iteration 50,000 of 150,000 as a share of the run."""

    beta: float = 0.01  # the paper's three: 0.01, 0.05, 0.09
    entropy_weight: float = 0.005
    entropy_from: float = 1 / 3
    eta: float = 2.0

    def __post_init__(self) -> None:
        within(self, beta=(0, 0.49), entropy_weight=(0, inf), entropy_from=(0, 1), eta=(0, inf))


def floor(params: Params) -> float:
    """The least work of a step once the entropy has come, in source-only steps."""
    return 2.0 if params.entropy_weight else 1.0


class Method(Learner):
    """No module beside the network; a learner because the entropy comes late."""

    def loss(self, source: Labelled, target: Unlabelled) -> Parts:
        """Source pixels labelled 255 do not count."""
        images = transferred(source.images, target.images, self.params.beta)
        task = cross_entropy(self.net(images), source.labels, ignore_index=255)
        if not self.params.entropy_weight or self.at.done < self.params.entropy_from:
            return {"total": task, "task": task, "entropy": torch.zeros_like(task)}
        entropy = robust_entropy(self.net(target.images), self.params.eta)
        return {"total": task + self.params.entropy_weight * entropy, "task": task, "entropy": entropy}


def transferred(source: Tensor, target: Tensor, beta: float) -> Tensor:
    """``source`` (B, C, H, W) with the low amplitudes of ``target``, of the same shape.

    The mean (frequency nought) is taken over with its sign: amplitude and phase are the paper's on values from 0 up,
    and so are the same for images that were standardised since.
    """
    height, width = source.shape[-2:]
    b = int(min(height, width) * beta)
    of_source, of_target = torch.fft.rfft2(source.float()), torch.fft.rfft2(target.float())
    rows = torch.arange(-b, b + 1)[:, None]
    here = (..., rows, torch.arange(b + 1)[None])
    mixed = of_source.clone()
    mixed[here] = torch.polar(of_target[here].abs(), of_source[here].angle())
    mixed[..., 0, 0] = of_target[..., 0, 0]
    return torch.fft.irfft2(mixed, s=(height, width)).to(source.dtype)  # type: ignore[no-any-return]


def robust_entropy(logits: Tensor, eta: float) -> Tensor:
    """mean (h^2 + 1e-8)^eta, h = H(p) / log K, a scalar: sure pixels weigh less than in the plain entropy."""
    h = torch.special.entr(logits.float().softmax(1)).sum(1) / log(logits.shape[1])
    return (h.square() + 1e-8).pow(eta).mean()  # type: ignore[no-any-return]
