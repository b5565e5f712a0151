"""One network measured on sets of images, whatever the task: scores, confusion, and what later selection may read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dta_bench.data.batches import evaluation_batches
from dta_bench.domains.images import Image, Item, LabelledImages, SelectedItems
from dta_bench.evaluation import metrics, segmentation
from dta_bench.evaluation.label_free import label_free
from dta_bench.nn import distributed
from dta_bench.nn.learner import Learner
from dta_bench.nn.network import Network, evaluating
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.run_spec import Scores

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
            first = distributed.own_share(len(images)).start
            here = segmentation.image_statistics(
                self.network, self.batches(_own(images)), self.device, self.window, first
            )
            of_all = segmentation.set_statistics(*(self._joined(rows, images) for rows in here))
            return Surveyed(of_all.label_free(), {"pixels": of_all.pixels})
        logits = self._logits(images)
        return Surveyed(label_free(logits), {"logits": logits})

    def label_maps(self, images: Sequence[Image]) -> Iterator[segmentation.LabelMap]:
        """The predicted label map of each image, at the benchmark's image size."""
        return segmentation.predictions(self.network, self.batches(images), self.device, self.window)

    def _vectors(self, images: LabelledImages) -> Arrays:
        return {"logits": self._logits(images.images), "labels": np.asarray(images.labels)}

    def _logits(self, images: Sequence[Image]) -> NDArray[np.float32]:
        return self._joined(predict(self.network, self.batches(_own(images)), self.device), images)

    def _maps(self, images: LabelledImages) -> Arrays:
        assert not isinstance(images.labels, np.ndarray)
        found = segmentation.confusions(
            self.network, self.batches(_own(images.images)), _own(images.labels), len(self.benchmark.classes),
            self.benchmark.ignore_index, self.device, self.window,
        )  # fmt: skip
        return {"confusions": self._joined(found, images.images).astype(np.int32)}

    def _joined(self, rows: NDArray[Any], images: Sequence[Image]) -> NDArray[Any]:
        """Rows of all images, of which each replica of a run measures a part."""
        return distributed.join_shares(rows, len(images), self.device)

    def batches(self, images: Sequence[Image]) -> Iterator[Tensor]:
        """Images in order, as the network is fed them."""
        return evaluation_batches(
            images, self.benchmark, self.channels, self.batch_size, self.network.normalisation, self.workers
        )


def _own(items: Sequence[Item]) -> Sequence[Item]:
    """Those that this replica of a run measures; all of them where it is the only one."""
    own = distributed.own_share(len(items))
    return items if len(own) == len(items) else SelectedItems(items, own)


def predict(network: nn.Module, batches: Iterable[Tensor], device: torch.device) -> NDArray[np.float32]:
    """Logits (N, K) of all images in order, in evaluation mode (no dropout, BatchNorm's running statistics)."""
    with evaluating(network), torch.no_grad():
        parts = [network(images.to(device, non_blocking=True)).float().cpu() for images in batches]
    return torch.cat(parts).numpy()


def named(prefix: str, arrays: Arrays) -> Arrays:
    """The arrays under ``<prefix>_<name>``, as they are stored with the run."""
    return {f"{prefix}_{name}": array for name, array in arrays.items()}
