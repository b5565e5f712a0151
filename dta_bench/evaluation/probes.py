"""What a finished run stores for selection rules that logits cannot serve: features, and predictions of mixed images.

All of a fixed random sample, the same for every run of a benchmark. Networks whose hidden layer is a map (segmentation)
store nothing, and the rules that ask for it are then unavailable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dta_bench.domains.images import Image, SelectedItems, Splits
from dta_bench.evaluation.evaluator import predict
from dta_bench.nn.learner import Learner
from dta_bench.nn.network import Network, evaluating

Arrays = dict[str, NDArray[np.generic]]
Indices = NDArray[np.int64]
AsBatches = Callable[[Sequence[Image]], Iterable[Tensor]]

SAMPLE = 500  # images of each set
MIX = 0.55  # the share of a mixed image's first part, as published (Hu et al., NeurIPS 2023)


def probes(
    learner: Learner,
    as_batches: AsBatches,
    splits: Splits,
    target_logits: NDArray[np.float32],
    device: torch.device,
) -> Arrays:
    """Features (n, L) of source train, source validation and target train; logits of mixed target images.

    ``probe_*_rows`` says which images of a set were taken. Mixed images are 0.55 of one target image and 0.45 of
    another: of one with the same predicted class (``probe_mixed_intra``) or with another. ``probe_mixed_labels`` is
    the predicted class of the larger part.
    """
    if target_logits.ndim != 2:
        return {}
    sets = {
        "source_train": splits.source_train.images,
        "source_validation": splits.source_validation.images,
        "target_train": splits.target_train.images,
    }
    rows = {name: sample(len(images)) for name, images in sets.items()}
    found: Arrays = {f"probe_{name}_rows": taken for name, taken in rows.items()}
    for name, images in sets.items():
        found[f"probe_{name}_features"] = features(
            learner.predictor, as_batches(SelectedItems(images, rows[name])), device
        )
    images, guesses = sets["target_train"], target_logits.argmax(axis=1)
    first, second = partners(rows["target_train"], guesses)
    mixed = mixtures(as_batches(SelectedItems(images, first)), as_batches(SelectedItems(images, second)))
    return found | {
        "probe_mixed_logits": predict(learner, mixed, device),
        "probe_mixed_labels": guesses[first],
        "probe_mixed_intra": guesses[first] == guesses[second],
    }


def sample(count: int) -> Indices:
    """The fixed random rows of a set of ``count`` images, ascending."""
    return np.sort(np.random.default_rng(0).permutation(count)[:SAMPLE]).astype(np.int64)


def features(network: Network, batches: Iterable[Tensor], device: torch.device) -> NDArray[np.float32]:
    """The hidden vectors (N, L) that enter the classifier, in evaluation mode."""
    with evaluating(network), torch.no_grad():
        parts = [network.hidden(network.features(images.to(device))).float().cpu() for images in batches]
    return torch.cat(parts).numpy()


def partners(rows: Indices, guesses: Indices) -> tuple[Indices, Indices]:
    """Each row beside one of its own predicted class and beside one of another; those without such a row drop out."""
    rng = np.random.default_rng(0)
    first, second = [], []
    for row in rng.permutation(rows):
        same = rows[(guesses[rows] == guesses[row]) & (rows != row)]
        other = rows[guesses[rows] != guesses[row]]
        for candidates in (same, other):
            if len(candidates):
                first.append(row)
                second.append(rng.choice(candidates))
    return np.array(first, dtype=np.int64), np.array(second, dtype=np.int64)


def mixtures(first: Iterable[Tensor], second: Iterable[Tensor]) -> Iterator[Tensor]:
    """Batches of network input mixed pixel by pixel."""
    for a, b in zip(first, second, strict=True):
        yield MIX * a + (1 - MIX) * b
