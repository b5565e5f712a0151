"""Features, and predictions of mixed images, which some selection rules need beside logits.

They are computed at the end of a run for a fixed random sample of images, which is the same in every run of a
benchmark. Segmentation runs store none, so those rules are not available for them.
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
MIX = 0.55  # the share of the first image in a mixed image, as published (Hu et al., NeurIPS 2023)


def probes(
    learner: Learner,
    as_batches: AsBatches,
    splits: Splits,
    target_logits: NDArray[np.float32],
    device: torch.device,
    mixes: bool = True,
) -> Arrays:
    """Compute the arrays that a run stores for such selection rules.

    A mixed image is 0.55 of one target image plus 0.45 of another one.

    Args:
        learner: the trained networks.
        as_batches: makes batches of network input of images.
        splits: the sets of the run.
        target_logits: (target images, K) logits of target train.
        device: where to compute.
        mixes: False leaves mixed images out.

    Returns:
        ``probe_<set>_rows`` (n,): which images of source train, source validation and target train were taken;
        ``probe_<set>_features`` (n, L): their features; ``probe_mixed_logits`` (m, K): logits of mixed images;
        ``probe_mixed_labels`` (m,): the predicted class of the first image; ``probe_mixed_intra`` (m,): whether both
        images have the same predicted class. Empty for label maps.
    """
    if target_logits.ndim != 2:
        return {}
    sets = {
        "source_train": splits.source_train.images,
        "source_validation": splits.source_validation.images,
        "target_train": splits.target_train.images,
    }
    rows = {name: sample(len(images)) for name, images in sets.items()}
    arrays: Arrays = {f"probe_{name}_rows": taken for name, taken in rows.items()}
    for name, images in sets.items():
        arrays[f"probe_{name}_features"] = features(
            learner.predictor, as_batches(SelectedItems(images, rows[name])), device
        )
    if not mixes:
        return arrays
    images, guesses = sets["target_train"], target_logits.argmax(axis=1)
    first, second = mixing_partners(rows["target_train"], guesses)
    mixed = mixed_batches(as_batches(SelectedItems(images, first)), as_batches(SelectedItems(images, second)))
    return arrays | {
        "probe_mixed_logits": predict(learner, mixed, device),
        "probe_mixed_labels": guesses[first],
        "probe_mixed_intra": guesses[first] == guesses[second],
    }


def sample(count: int) -> Indices:
    """A fixed random sample of a set of ``count`` images: ascending indices, ``SAMPLE`` of them at most."""
    return np.sort(np.random.default_rng(0).permutation(count)[:SAMPLE]).astype(np.int64)


def features(network: Network, batches: Iterable[Tensor], device: torch.device) -> NDArray[np.float32]:
    """The hidden vectors (N, L) that enter the classifier, computed in evaluation mode."""
    with evaluating(network), torch.no_grad():
        parts = [network.hidden(network.features(images.to(device))).float().cpu() for images in batches]
    return torch.cat(parts).numpy()


def mixing_partners(rows: Indices, guesses: Indices) -> tuple[Indices, Indices]:
    """Pair each image with a random one of the same predicted class, and with a random one of another class.

    Args:
        rows: indices of the images that take part.
        guesses: (all images,) the predicted class of each.

    Returns:
        Indices of the first and of the second image of each pair; a pair is left out if there is no such image.
    """
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


def mixed_batches(first: Iterable[Tensor], second: Iterable[Tensor]) -> Iterator[Tensor]:
    """Mix batches of network input pixel by pixel."""
    for a, b in zip(first, second, strict=True):
        yield MIX * a + (1 - MIX) * b
