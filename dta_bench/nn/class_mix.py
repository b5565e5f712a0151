"""Class mixing (ClassMix) and colour changes of training images, on the device and drawn from torch's generators."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torchvision.transforms.v2 import ColorJitter
from torchvision.transforms.v2 import functional as V

from dta_bench.nn.network import Normalisation


def class_mask(labels: Tensor, ignored: int = 255) -> Tensor:
    """Pixels of half the classes (rounded up) that a label map (H, W) has, drawn at random: bool (H, W)."""
    if labels.is_meta:  # where a step is counted and not computed, labels have no values
        return torch.empty_like(labels, dtype=torch.bool)
    present = torch.unique(labels)
    present = present[present != ignored]
    chosen = present[torch.randperm(len(present))[: (len(present) + 1) // 2].to(present.device)]
    return torch.isin(labels, chosen)


def pasted(mask: Tensor, above: Tensor, below: Tensor) -> Tensor:
    """``above`` where ``mask`` (B, H, W), ``below`` elsewhere, for maps (B, H, W) or images (B, C, H, W)."""
    return torch.where(mask[:, None] if above.ndim == 4 else mask, above, below)


def weighted_cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor, ignored: int = 255) -> Tensor:
    """Mean over all pixels of weight times cross-entropy; those ``ignored`` count as zero."""
    return (weights * cross_entropy(logits, labels, ignore_index=ignored, reduction="none")).mean()


def perturbed(images: Tensor, strength: float, standardised_by: Normalisation) -> Tensor:
    """Each image with brightness, contrast, saturation and hue changed by up to ``strength``, in 4 of 5 cases, and
    blurred with a deviation of 0.15 to 1.15 pixels in 1 of 2 (Tranheden et al. 2021); on values from 0 to 1."""
    channels = images.shape[1]
    mean, deviation = (images.new_tensor(of).view(-1, 1, 1) for of in (standardised_by.mean, standardised_by.std))
    if channels == 1:
        mean, deviation = mean.mean(), deviation.mean()
    natural = (images * deviation + mean).clamp(0, 1)
    jitter = ColorJitter(strength, strength, strength, min(strength, 0.5))
    changed = []
    for image in natural:
        after = jitter(image) if torch.rand(()) < 0.8 else image
        changed.append(_blurred(after) if torch.rand(()) < 0.5 else after)
    return (torch.stack(changed) - mean) / deviation


def _blurred(image: Tensor) -> Tensor:
    """A Gaussian blur in a window of a tenth of the image, as the authors have it."""
    sides = [max(3, int(0.1 * side) // 2 * 2 + 1) for side in image.shape[-2:]]
    return V.gaussian_blur(image, sides[::-1], [0.15 + float(torch.rand(()))] * 2)  # type: ignore[no-any-return]
