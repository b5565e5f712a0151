"""Logits of whole sets of images, and the scores read from them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Logits = NDArray[np.float32]


def predict(network: nn.Module, batches: Iterable[Tensor], device: torch.device) -> Logits:
    """Logits (N, K) of all images in order, in evaluation mode (no dropout, BatchNorm's running statistics)."""
    with evaluating(network), torch.no_grad():
        parts = [network(images.to(device, non_blocking=True)).float().cpu() for images in batches]
    return torch.cat(parts).numpy()


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Within the block the network is in evaluation mode; afterwards it is as it was."""
    was_training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(was_training)


def label_free(logits: Logits) -> dict[str, float]:
    """What unlabelled predictions say: mean conditional entropy, entropy of the mean prediction, classes in use.

    Entropies are in nats. A class counts as in use when it takes at least 1 % of the predictions; few classes in
    use means a collapsed run.
    """
    log_p = torch.log_softmax(torch.from_numpy(logits).double(), dim=1)
    p = log_p.exp()
    mean = p.mean(dim=0)
    share = np.bincount(logits.argmax(axis=1), minlength=logits.shape[1]) / len(logits)
    return {
        "entropy": float(-(p * log_p).sum(dim=1).mean()),
        "diversity": float(-torch.special.xlogy(mean, mean).sum()),
        "classes_in_use": float((share >= 0.01).sum()),
    }
