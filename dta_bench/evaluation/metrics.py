"""One confusion matrix; accuracy, class mean and IoU read from it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dta_bench.spec.run_spec import Scores

Confusion = NDArray[np.int64]


def confusion_matrix(labels: ArrayLike, predictions: ArrayLike, num_classes: int, ignore_index: int = 255) -> Confusion:
    """Counts (K, K), a row a true class, a column a predicted one; labels of ``ignore_index`` do not count."""
    truth, guess = np.asarray(labels).ravel().astype(np.int64), np.asarray(predictions).ravel().astype(np.int64)
    counted = truth != ignore_index
    cells = truth[counted] * num_classes + guess[counted]
    return np.bincount(cells, minlength=num_classes**2).reshape(num_classes, num_classes)


def scores(confusion: Confusion, classes: Sequence[str], segmentation: bool = False) -> Scores:
    """Scores in percent. ``per_class`` is recall, or IoU for segmentation; a class that is absent is None, not 0.

    The class mean and the mean IoU are over the classes that are present. For IoU a class is absent where it is neither
    true nor predicted of any pixel, as in Cityscapes' own evaluation.
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

    A class of images is in use when it holds 1 % or more of the predictions. Classes of pixels are far from equally
    frequent: one is in use when it holds a tenth or more of its true share, and those without truth do not count.
    """
    share = confusion.sum(axis=0) / max(confusion.sum(), 1)
    if not segmentation:
        return bool((share >= 0.01).sum() < len(share) / 2)
    truth = confusion.sum(axis=1) / max(confusion.sum(), 1)
    present = truth > 0
    return bool((share[present] >= 0.1 * truth[present]).sum() < present.sum() / 2)


def _ratio(part: Confusion, whole: Confusion) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
    return found
