"""How each class fares after an epoch, from what the epoch's measurement has found already."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dta_bench.evaluation.evaluator import Evaluation
from dta_bench.run.train import Run
from dta_bench.tracking import RunLog
from dta_bench.tracking.class_record import ClassRow


def log_classes(log: RunLog, run: Run, epoch: int) -> None:
    """Keep how each class fares after an epoch that has just ended, if it was measured.

    Args:
        epoch: from 1.
    """
    if run.spec.training.is_measured(epoch):
        log.log_classes(class_rows(run, epoch), "iou" if run.benchmark.task == "segmentation" else "recall")


def class_rows(run: Run, epoch: int) -> list[ClassRow]:
    """The classes by the run's last measurement, in order."""
    assert run.label_free is not None
    arrays, names = run.label_free.arrays, run.benchmark.classes
    logits = arrays["logits"] if "logits" in arrays else arrays["pixels"]
    predicted = 100 * np.bincount(logits.argmax(axis=1), minlength=len(names)) / max(len(logits), 1)
    subset = run.validation.get("validation")
    if subset is None:
        return [ClassRow(epoch, name, None, None, "", None, float(predicted[k])) for k, name in enumerate(names)]
    images, taken_for, taken = _images(subset), *_taken(subset)
    return [
        ClassRow(
            epoch, name, int(images[k]), subset.scores.per_class[name], names[taken_for[k]] if taken[k] else "",
            float(taken[k]) if images[k] else None, float(predicted[k]),
        )
        for k, name in enumerate(names)
    ]  # fmt: skip


def _images(subset: Evaluation) -> NDArray[np.int64]:
    """How many images hold each class."""
    of_each_image = subset.arrays.get("confusions")
    found: NDArray[np.int64]
    found = subset.confusion.sum(axis=1) if of_each_image is None else (of_each_image.sum(axis=2) > 0).sum(axis=0)
    return found


def _taken(subset: Evaluation) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Of each class the other class that it is predicted as most often, and in which share of its images or pixels."""
    wrong = subset.confusion.copy()
    np.fill_diagonal(wrong, 0)
    return wrong.argmax(axis=1), 100 * wrong.max(axis=1) / np.maximum(subset.confusion.sum(axis=1), 1)
