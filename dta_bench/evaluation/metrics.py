"""The confusion matrix, and accuracy, mean class accuracy and mean IoU computed from it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dta_bench.spec.run_spec import Scores

Confusion = NDArray[np.int64]
"""Counts (K, K) of images or pixels: a row for each true class, a column for each predicted class."""


def confusion_matrix(labels: ArrayLike, predictions: ArrayLike, num_classes: int, ignore_index: int = 255) -> Confusion:
    """Count how often each class was predicted as each class.

    Args:
        labels: true classes 0..K-1 in any shape; those that are ``ignore_index`` do not count.
        predictions: predicted classes in the same shape.
        num_classes: K.
        ignore_index: the label that does not count.
    """
    truth, guess = np.asarray(labels).ravel().astype(np.int64), np.asarray(predictions).ravel().astype(np.int64)
    counted = truth != ignore_index
    cells = truth[counted] * num_classes + guess[counted]
    return np.bincount(cells, minlength=num_classes**2).reshape(num_classes, num_classes)


def scores(confusion: Confusion, classes: Sequence[str], segmentation: bool = False) -> Scores:
    """Compute scores in percent.

    Args:
        confusion: (K, K) counts.
        classes: the names of the classes, in order.
        segmentation: whether the counts are of pixels.

    Returns:
        ``per_class`` is recall, or IoU for segmentation, and None (not 0) for an absent class. Mean class accuracy and
        mean IoU are means over the classes that are present. For IoU a class is absent if no pixel is of it and none is
        predicted as it, as in Cityscapes' own evaluation.
    """
    hits, truths, guesses = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    recall = _ratio(hits, truths)
    iou = _ratio(hits, truths + guesses - hits)
    chosen = iou if segmentation else recall
    return Scores(
        accuracy=100 * float(hits.sum() / max(confusion.sum(), 1)),
        mean_class_accuracy=100 * float(np.nanmean(recall)),
        per_class={n: None if np.isnan(v) else 100 * float(v) for n, v in zip(classes, chosen, strict=True)},
        miou=100 * float(np.nanmean(iou)) if segmentation else None,
    )


def collapsed(confusion: Confusion, segmentation: bool = False) -> bool:
    """Whether fewer than half of the classes are in use.

    For images, a class is in use if 1 % or more of the predictions are of it. For pixels, whose classes are far from
    equally frequent, a class is in use if it is predicted a tenth as often as it is true or more; classes that no
    pixel is of do not count.
    """
    share = confusion.sum(axis=0) / max(confusion.sum(), 1)
    return too_few_in_use(share, confusion.sum(axis=1) / max(confusion.sum(), 1) if segmentation else None)


def too_few_in_use(predicted: NDArray[np.float64], expected: NDArray[np.float64] | None) -> bool:
    """Whether fewer than half of the classes are in use, as :func:`collapsed` says.

    Args:
        predicted: (K,) the share of the predictions that is of each class.
        expected: (K,) of pixels the share that is expected of each class; None for images.
    """
    if expected is None:
        return bool((predicted >= 0.01).sum() < len(predicted) / 2)
    present = expected > 0
    return bool((predicted[present] >= 0.1 * expected[present]).sum() < present.sum() / 2)


def _ratio(part: Confusion, whole: Confusion) -> NDArray[np.float64]:
    ratio: NDArray[np.float64] = np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
    return ratio
