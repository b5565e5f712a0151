"""One network measured on sets of images, whatever the task: scores, confusion, and what later selection may read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dta_bench import metrics, segmentation
from dta_bench.batches import evaluation_batches
from dta_bench.domains import Benchmark, Image, LabelledImages
from dta_bench.evaluation import predict
from dta_bench.experiment import Scores
from dta_bench.label_free import label_free
from dta_bench.learner import Learner
from dta_bench.network import Network

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Measured:
    """Scores of one set, their confusion matrix (K, K), and what is stored of it.

    ``arrays`` holds ``logits`` (N, K) and ``labels`` (N,), or, for label maps, ``confusions`` (N, K, K).
    """

    scores: Scores
    confusion: NDArray[np.int64]
    arrays: Arrays


@dataclass(frozen=True)
class Surveyed:
    """What a set's predictions say without labels: statistics, and what is stored of them.

    ``arrays`` holds ``logits`` (N, K), or, for label maps, ``pixels`` (n, K): the logits of a fixed sample of pixels.
    """

    statistics: dict[str, float]
    arrays: Arrays


@dataclass(frozen=True)
class Meter:
    """Measures a network as a benchmark wants it: its size, its standardisation, its task.

    ``window`` (height, width) has label maps predicted window by window; None, image by image.
    """

    network: Network | Learner
    benchmark: Benchmark
    channels: int
    batch_size: int
    device: torch.device
    window: tuple[int, int] | None = None
    workers: int = 0

    def measure(self, images: LabelledImages) -> Measured:
        """Predict ``images`` and hold the predictions against their labels."""
        classes, segments = self.benchmark.classes, self.benchmark.task == "segmentation"
        arrays = self._maps(images) if segments else self._vectors(images)
        if segments:
            confusion = arrays["confusions"].sum(axis=0, dtype=np.int64)
        else:
            guesses = arrays["logits"].argmax(axis=1)
            confusion = metrics.confusion_matrix(images.labels, guesses, len(classes))
        return Measured(metrics.scores(confusion, classes, segments), confusion, arrays)

    def survey(self, images: Sequence[Image]) -> Surveyed:
        """Predict ``images``, which have no labels."""
        if self.benchmark.task == "segmentation":
            seen = segmentation.survey(self.network, self.batches(images), self.device, self.window)
            return Surveyed(seen.label_free(), {"pixels": seen.pixels})
        logits = predict(self.network, self.batches(images), self.device)
        return Surveyed(label_free(logits), {"logits": logits})

    def label_maps(self, images: Sequence[Image]) -> Iterator[segmentation.LabelMap]:
        """The predicted label map of each image, at the benchmark's image size."""
        return segmentation.predictions(self.network, self.batches(images), self.device, self.window)

    def _vectors(self, images: LabelledImages) -> Arrays:
        logits = predict(self.network, self.batches(images.images), self.device)
        return {"logits": logits, "labels": np.asarray(images.labels)}

    def _maps(self, images: LabelledImages) -> Arrays:
        assert not isinstance(images.labels, np.ndarray)
        found = segmentation.confusions(
            self.network, self.batches(images.images), images.labels, len(self.benchmark.classes),
            self.benchmark.ignore_index, self.device, self.window,
        )  # fmt: skip
        return {"confusions": found.astype(np.int32)}

    def batches(self, images: Sequence[Image]) -> Iterator[Tensor]:
        """Images in order, as the network is fed them."""
        return evaluation_batches(
            images, self.benchmark, self.channels, self.batch_size, self.network.normalisation, self.workers
        )


def named(prefix: str, arrays: Arrays) -> Arrays:
    """The arrays under ``<prefix>_<name>``, as they are stored with the run."""
    return {f"{prefix}_{name}": array for name, array in arrays.items()}
