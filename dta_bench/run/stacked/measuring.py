"""Measure the heads of a stack: the features of each set are read once, and all heads predict them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dta_bench.data.kept_features.rows import as_input
from dta_bench.domains.images import Image
from dta_bench.evaluation.evaluator import LabelFreeEvaluation
from dta_bench.evaluation.neighbourhood_density import label_free_criteria
from dta_bench.nn.stacked.heads import StackedHeads
from dta_bench.run.on_features import FeatureEvaluator
from dta_bench.run.train import Run

ROWS = 1024
"""Features that are predicted at once."""


@dataclass(frozen=True)
class KnownLogits(FeatureEvaluator):
    """Evaluates a run of a stack by the logits that :func:`measure_together` found, each taken once.

    Args:
        known: by the id of a set's images.
    """

    known: dict[int, NDArray[np.float32]] = field(default_factory=dict)

    def _logits(self, images: Sequence[Image]) -> NDArray[np.float32]:
        found = self.known.pop(id(images), None)
        return super()._logits(images) if found is None else found

    def evaluate_without_labels(self, images: Sequence[Image]) -> LabelFreeEvaluation:
        """Predict images and compute the label-free criteria."""
        logits = self._logits(images)
        return LabelFreeEvaluation(label_free_criteria(logits), {"logits": logits})


def measure_together(heads: Mapping[int, tuple[StackedHeads, int]], runs: Sequence[Run]) -> None:
    """Predict the sets that an epoch ends with by all runs' heads; their evaluators then know the logits.

    Runs have the features of their own frozen part: without pretrained weights each seed has another one.

    Args:
        heads: by a run's id in memory, the heads that it is a member of, and its number.
        runs: on sets of the same images.
    """
    started = time.monotonic()
    alike: dict[tuple[int, ...], list[Run]] = {}
    for run in runs:
        alike.setdefault(tuple(id(images) for images in _sets(run)), []).append(run)
    for own in alike.values():
        _predict_together(heads, own)
    for run in runs:
        run.measuring_seconds += (time.monotonic() - started) / len(runs)


def _predict_together(heads: Mapping[int, tuple[StackedHeads, int]], runs: Sequence[Run]) -> None:
    """Predict the sets of runs that have the same features."""
    dtype = next(runs[0].learner.parameters()).dtype
    for number, images in enumerate(_sets(runs[0])):
        parts: list[list[NDArray[np.float32]]] = [[] for _ in runs]
        for at in range(0, len(images), ROWS):
            rows = as_input(images, range(at, min(at + ROWS, len(images)))).to(dtype)
            for run, found in zip(runs, parts, strict=True):
                stacked, member = heads[id(run)]
                found.append(stacked.predict(rows, member).float().numpy())
        for run, found in zip(runs, parts, strict=True):
            _evaluator(run).known[id(_sets(run)[number])] = np.concatenate(found)


def _sets(run: Run) -> list[Sequence[Image]]:
    splits = run.splits
    subset = splits.target_validation
    return [splits.source_validation.images, splits.target_train.images, *([] if subset is None else [subset.images])]


def _evaluator(run: Run) -> KnownLogits:
    """The run's evaluator, which takes known logits from now on."""
    own = run.evaluator
    if not isinstance(own, KnownLogits):
        own = run.evaluator = KnownLogits(
            own.network, own.benchmark, own.channels, own.batch_size, own.device, own.window, own.workers
        )
    return own
