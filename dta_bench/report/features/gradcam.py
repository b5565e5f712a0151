"""Grad-CAM with and without adversarial dropout (Figs. 3, A-1), on any classification backbone.

Selvaraju et al., ICCV 2017: each channel of the feature map is weighted by the mean slope of the predicted class's
logit, and the positive part of the weighted sum is shown. The map is the one that CAdD masks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from dta_bench.domains.images import LabelledImages
from dta_bench.errors import UserError
from dta_bench.nn.adversarial_dropout import flip_bits, flip_budget, rescale_to_mean_one, stochastic_mask
from dta_bench.nn.losses import kl_divergence
from dta_bench.nn.network import Features, Network
from dta_bench.report.features.networks import TrainedRun

MASK_DRAWS = 8
"""Random masks that the slope is averaged over."""
MOST_IMAGES = 6
"""Rows of the figure."""


@dataclass(frozen=True)
class Deltas:
    """Shares of the feature map's channels and of the hidden units that adversarial dropout drops."""

    delta_c: float
    delta_e: float


@dataclass(frozen=True)
class Cam:
    """For each image where the network looks (B, h, w), 0 to 1, its predicted class, and that class's probability."""

    maps: NDArray[np.float32]
    guesses: NDArray[np.int64]
    sureness: NDArray[np.float32]


def grad_cam(network: Network, images: Tensor, classes: Tensor | None = None, deltas: Deltas | None = None) -> Cam:
    """Grad-CAM of ``classes`` (of what the unmasked network predicts, if None), under adversarial masks if asked for.

    Args:
        images: (B, C, H, W), standardised.
        deltas: draws the masks of :func:`adversarial_masks`; None leaves both at ones.

    Raises:
        UserError: the feature map has no two axes in space.
    """
    with torch.enable_grad():
        features = network.features(images)
        shown = features.activation.detach().requires_grad_()
        held = Features(shown, tuple(skip.detach() for skip in features.skips))
        m_f, m_c = adversarial_masks(network, held, deltas) if deltas else (torch.ones(()), torch.ones(()))
        masked = m_f * shown
        logits = network.head(m_c * network.neck(masked, *held.skips))
        wanted = logits.argmax(dim=1) if classes is None else classes
        (slope,) = torch.autograd.grad(logits.gather(1, wanted[:, None]).sum(), masked)
    maps = [as_map(x.detach(), network.feature_axis, images.shape[-2:]) for x in (masked, slope)]
    weights = maps[1].mean(dim=(2, 3), keepdim=True)
    cam = torch.relu((weights * maps[0]).sum(dim=1))
    cam = cam / cam.amax(dim=(1, 2), keepdim=True).clamp_min(1e-12)
    sure, guesses = logits.detach().softmax(dim=1).max(dim=1)
    return Cam(cam.numpy(), guesses.numpy(), sure.numpy())


def adversarial_masks(network: Network, features: Features, deltas: Deltas) -> tuple[Tensor, Tensor]:
    """The masks of adversarial dropout for a network that is not training; units that stay are rescaled.

    They start from all ones, the network as it predicts, so that units are only dropped. There D[h(x; 1), h(x; m)]
    (Eq. 2) has its minimum and no slope; it is therefore linearised at random masks m^s with both sites' keep rates,
    and the slopes are averaged over ``MASK_DRAWS`` draws.

    Returns:
        The masks of the feature map and of the hidden units.
    """
    with torch.no_grad():
        hidden = network.hidden(features)
        clean = network.head(hidden)
    m_f = stochastic_mask(features.activation, 1.0, network.feature_axis)
    m_c = stochastic_mask(hidden, 1.0, network.hidden_axis)
    j_f, j_c = torch.zeros_like(m_f), torch.zeros_like(m_c)
    for _ in range(MASK_DRAWS):
        draw_f = stochastic_mask(features.activation, network.feature_keep_rate, network.feature_axis).requires_grad_()
        thinned = network.hidden(features.detach().masked(draw_f / network.feature_keep_rate))
        draw_c = stochastic_mask(hidden, network.hidden_keep_rate, network.hidden_axis).requires_grad_()
        divergence = kl_divergence(clean, network.head(draw_c / network.hidden_keep_rate * thinned))
        slopes = torch.autograd.grad(divergence, (draw_f, draw_c))
        j_f, j_c = j_f + slopes[0], j_c + slopes[1]
    return _dropped(m_f, j_f, deltas.delta_c), _dropped(m_c, j_c, deltas.delta_e)


def _dropped(ones: Tensor, impact: Tensor, delta: float) -> Tensor:
    return rescale_to_mean_one(flip_bits(ones, impact, delta)) if flip_budget(delta, ones[0].numel()) else ones


def as_map(activation: Tensor, axis: int, image: Sequence[int]) -> Tensor:
    """An activation as a map (B, C, h, w), whatever its layout.

    Of a transformer's tokens, those in front of the patches are left out.

    Args:
        axis: the axis of the channels.
        image: height and width of the input, whose aspect the map gets.

    Raises:
        UserError: it is a vector, which has no space.
    """
    channels_second = activation.movedim(axis, 1)
    if channels_second.ndim == 4:
        return channels_second
    if channels_second.ndim != 3:
        raise UserError("Grad-CAM needs a map at CAdD's site, but this backbone has a vector there")
    tokens = channels_second.shape[2]
    height, width = patch_grid(tokens, image[0] / image[1])
    return channels_second[:, :, tokens - height * width :].reshape(*channels_second.shape[:2], height, width)


def patch_grid(tokens: int, aspect: float) -> tuple[int, int]:
    """Height and width of the largest grid of so many tokens with the image's aspect (height / width)."""
    height = math.isqrt(int(tokens * aspect))
    return height, min(tokens // height, round(height / aspect))


def grad_cam_figure(
    sides: Sequence[TrainedRun], target: LabelledImages, deltas: Deltas, classes: Sequence[str]
) -> Figure:
    """A figure with a row an image, the first of each class: the image, then each network without and with AdD."""
    labels = np.asarray(target.labels)
    firsts = [int(np.flatnonzero(labels == k)[0]) for k in range(len(classes)) if (labels == k).any()][:MOST_IMAGES]
    chosen = target.select(firsts)
    figure = Figure(figsize=(2.1 * (1 + 2 * len(sides)), 2.35 * len(firsts)), layout="constrained")
    axes = np.asarray(figure.subplots(len(firsts), 1 + 2 * len(sides), squeeze=False))
    for row in range(len(firsts)):
        axes[row, 0].set_ylabel(classes[labels[firsts[row]]])
        _show(axes[row, 0], chosen.images[row], None, "input" if row == 0 else "")
    for i, side in enumerate(sides):
        images = next(iter(side.evaluator.batches(chosen.images)))
        torch.manual_seed(0)
        plain = grad_cam(side.network, images)
        under = grad_cam(side.network, images, torch.from_numpy(plain.guesses), deltas)
        for column, cam, what in ((1 + 2 * i, plain, side.name), (2 + 2 * i, under, f"{side.name} + AdD")):
            for row in range(len(firsts)):
                guess = f"{classes[cam.guesses[row]]} {100 * cam.sureness[row]:.0f} %"
                _show(axes[row, column], chosen.images[row], cam.maps[row], what if row == 0 else "", guess)
    return figure


def _show(axes: object, image: NDArray[np.uint8], cam: NDArray[np.float32] | None, title: str, below: str = "") -> None:
    from matplotlib.axes import Axes

    assert isinstance(axes, Axes)
    height, width = image.shape[:2]
    axes.imshow(image if image.shape[2] == 3 else image[:, :, 0], cmap="gray")
    if cam is not None:
        axes.imshow(cam, cmap="inferno", alpha=0.55, extent=(-0.5, width - 0.5, height - 0.5, -0.5),
                    interpolation="bilinear", vmin=0, vmax=1)  # fmt: skip
    axes.set_title(title, fontsize=10)
    axes.set_xlabel(below, fontsize=9)
    axes.set_xticks([])
    axes.set_yticks([])
