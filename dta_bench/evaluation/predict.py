"""Logits of whole sets of images."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dta_bench.nn.network import evaluating

Logits = NDArray[np.float32]


def predict(network: nn.Module, batches: Iterable[Tensor], device: torch.device) -> Logits:
    """Logits (N, K) of all images in order, in evaluation mode (no dropout, BatchNorm's running statistics)."""
    with evaluating(network), torch.no_grad():
        parts = [network(images.to(device, non_blocking=True)).float().cpu() for images in batches]
    return torch.cat(parts).numpy()
