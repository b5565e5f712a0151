"""Class mixing (ClassMix) and colour changes of training images; random numbers come from torch's global generators."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torchvision.transforms.v2 import ColorJitter
from torchvision.transforms.v2 import functional as V

from dta_bench.nn.network import Normalisation

LABELS = 256  # a label map has one byte a pixel


def class_mix_mask(labels: Tensor, ignored: int = 255) -> Tensor:
    """The pixels of half the classes (rounded up) in a label map, the classes drawn at random.

    How many classes a map has is never read on the host, where training would wait for the device: each label that a
    map can have gets a random number, and the labels with the smallest numbers are taken.

    Args:
        labels: (H, W) long, from 0 to 255.
        ignored: the label of pixels that are never in the mask.

    Returns:
        A bool mask (H, W).
    """
    is_present = torch.zeros(LABELS, dtype=torch.bool, device=labels.device).index_fill(0, labels.flatten(), True)
    is_present[ignored] = False
    numbers = torch.rand(LABELS).to(labels.device, non_blocking=True)
    places = numbers.masked_fill(~is_present, 2).argsort().argsort()
    return (is_present & (places < (is_present.sum() + 1) // 2))[labels]


def paste(mask: Tensor, foreground: Tensor, background: Tensor) -> Tensor:
    """``foreground`` where ``mask`` (B, H, W) is True, ``background`` elsewhere.

    Both are maps (B, H, W) or images (B, C, H, W).
    """
    return torch.where(mask[:, None] if foreground.ndim == 4 else mask, foreground, background)


def weighted_cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor, ignored: int = 255) -> Tensor:
    """Mean over all pixels of weight times cross-entropy, in nats; ``ignored`` pixels count as zero in this mean.

    Args:
        logits: (B, K, H, W).
        labels: (B, H, W) long.
        weights: (B, H, W).
    """
    return (weights * cross_entropy(logits, labels, ignore_index=ignored, reduction="none")).mean()


def jitter_and_blur(images: Tensor, strength: float, normalisation: Normalisation) -> Tensor:
    """Change the colours of each image with probability 0.8 and blur it with probability 0.5 (Tranheden et al. 2021).

    Args:
        images: (B, C, H, W), standardised by ``normalisation``; colours are changed on values from 0 to 1.
        strength: the largest change of brightness, contrast, saturation and (up to 0.5) hue.

    Returns:
        The changed images, standardised again.
    """
    channels = images.shape[1]
    mean, deviation = (images.new_tensor(of).view(-1, 1, 1) for of in (normalisation.mean, normalisation.std))
    if channels == 1:
        mean, deviation = mean.mean(), deviation.mean()
    natural = (images * deviation + mean).clamp(0, 1)
    jitter = ColorJitter(strength, strength, strength, min(strength, 0.5))
    changed = []
    for image in natural:
        jittered = jitter(image) if torch.rand(()) < 0.8 else image
        changed.append(_blur(jittered) if torch.rand(()) < 0.5 else jittered)
    return (torch.stack(changed) - mean) / deviation


def _blur(image: Tensor) -> Tensor:
    """A Gaussian blur with a deviation of 0.15 to 1.15 pixels, in a window of a tenth of the image as in DACS' code."""
    window = [max(3, int(0.1 * side) // 2 * 2 + 1) for side in image.shape[-2:]]
    return V.gaussian_blur(image, window[::-1], [0.15 + float(torch.rand(()))] * 2)  # type: ignore[no-any-return]
