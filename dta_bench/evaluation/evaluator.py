"""Evaluate a network on sets of images, for classification and segmentation."""

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
from dta_bench.evaluation import label_map_predictions, metrics
from dta_bench.evaluation.label_free import label_free_criteria
from dta_bench.nn import distributed
from dta_bench.nn.learner import Learner
from dta_bench.nn.network import Network, evaluating
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.run_spec import Scores

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Evaluation:
    """The result on a labelled set.

    Args:
        scores: scores in percent.
        confusion: (K, K) counts, a row for each true class.
        arrays: what a run stores of the set: ``logits`` (N, K) and ``labels`` (N,), or, for label maps, ``confusions``
            (N, K, K).
        enlarged_labels: scores where predicted labels are enlarged instead of logits; None for images of one class
            each, and where label maps are not larger than the network's input.
    """

    scores: Scores
    confusion: NDArray[np.int64]
    arrays: Arrays
    enlarged_labels: Scores | None = None


@dataclass(frozen=True)
class LabelFreeEvaluation:
    """The result on a set without its labels.

    Args:
        statistics: label-free criterion → value.
        arrays: what a run stores of the set: ``logits`` (N, K), or, for label maps, ``pixels`` (n, K), the logits of a
            fixed sample of pixels.
    """

    statistics: dict[str, float]
    arrays: Arrays


@dataclass(frozen=True)
class Evaluator:
    """Evaluates a network on a benchmark's images.

    Where a run has several replicas, each evaluates its own share, and all get the whole result.

    Args:
        network: the network, or a learner that predicts as its method does.
        benchmark: gives the task, the image size and the standardisation.
        channels: 1 or 3, as the network takes them.
        batch_size: images in a batch.
        device: where to compute.
        window: size (height, width) of the windows that predict a label map; None: the whole image.
        workers: processes that decode images ahead.
        data_on_device: whether images go to the device as bytes and are standardised there; None: if it is a GPU.
    """

    network: Network | Learner
    benchmark: Benchmark
    channels: int
    batch_size: int
    device: torch.device
    window: tuple[int, int] | None = None
    workers: int = 0
    data_on_device: bool | None = None

    def evaluate(self, images: LabelledImages) -> Evaluation:
        """Predict images and compare the predictions with the labels."""
        classes, is_segmentation = self.benchmark.classes, self.benchmark.task == "segmentation"
        if is_segmentation:
            return self._evaluate_label_maps(images)
        arrays = self._logits_and_labels(images)
        confusion = metrics.confusion_matrix(images.labels, arrays["logits"].argmax(axis=1), len(classes))
        return Evaluation(metrics.scores(confusion, classes), confusion, arrays)

    def _evaluate_label_maps(self, images: LabelledImages) -> Evaluation:
        counts, other = self._confusions(images)
        confusion, of_labels = (rows.sum(axis=0, dtype=np.int64) for rows in (counts, other))
        found, enlarged = (metrics.scores(one, self.benchmark.classes, True) for one in (confusion, of_labels))
        is_other = not np.array_equal(counts, other)
        return Evaluation(found, confusion, {"confusions": counts}, enlarged if is_other else None)

    def evaluate_without_labels(self, images: Sequence[Image]) -> LabelFreeEvaluation:
        """Predict images and compute the label-free criteria."""
        if self.benchmark.task == "segmentation":
            first = distributed.own_share(len(images)).start
            own = label_map_predictions.image_statistics(
                self.network, self.batches(_own(images)), self.device, self.window, first
            )
            of_all = label_map_predictions.set_statistics(*(self._joined(rows, images) for rows in own))
            return LabelFreeEvaluation(of_all.label_free(), {"pixels": of_all.pixels})
        logits = self._logits(images)
        return LabelFreeEvaluation(label_free_criteria(logits), {"logits": logits})

    def predict_label_maps(
        self, images: Sequence[Image], sizes: Sequence[tuple[int, int]] | None = None
    ) -> Iterator[label_map_predictions.LabelMap]:
        """The predicted label map of each image, at its (height, width) of ``sizes`` or at the network's size."""
        return label_map_predictions.predictions(self.network, self.batches(images), self.device, self.window, sizes)

    def _logits_and_labels(self, images: LabelledImages) -> Arrays:
        return {"logits": self._logits(images.images), "labels": np.asarray(images.labels)}

    def _logits(self, images: Sequence[Image]) -> NDArray[np.float32]:
        return self._joined(predict(self.network, self.batches(_own(images)), self.device), images)

    def _confusions(self, images: LabelledImages) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """The counts of each image, with logits enlarged and with labels enlarged."""
        assert not isinstance(images.labels, np.ndarray)
        own = label_map_predictions.confusions(
            self.network, self.batches(_own(images.images)), _own(images.labels), len(self.benchmark.classes),
            self.benchmark.ignore_index, self.device, self.window,
        )  # fmt: skip
        of_logits, of_labels = (self._joined(rows, images.images).astype(np.int32) for rows in own)
        return of_logits, of_labels

    def _joined(self, rows: NDArray[Any], images: Sequence[Image]) -> NDArray[Any]:
        """The rows of all images, from those of this replica's share."""
        return distributed.join_shares(rows, len(images), self.device)

    def batches(self, images: Sequence[Image]) -> Iterator[Tensor]:
        """Batches of network input of images, in order: (B, C, H, W)."""
        on_device = self.device.type == "cuda" if self.data_on_device is None else self.data_on_device
        return evaluation_batches(
            images, self.benchmark, self.channels, self.batch_size, self.network.normalisation, self.workers,
            self.device if on_device else None,
        )  # fmt: skip


def _own(items: Sequence[Item]) -> Sequence[Item]:
    """This replica's share of the items; all of them if there is one replica."""
    own = distributed.own_share(len(items))
    return items if len(own) == len(items) else SelectedItems(items, own)


def predict(network: nn.Module, batches: Iterable[Tensor], device: torch.device) -> NDArray[np.float32]:
    """Logits (N, K) of all images in order, in evaluation mode (no dropout, BatchNorm's running statistics)."""
    with evaluating(network), torch.no_grad():
        parts = [network(images.to(device, non_blocking=True)).float().cpu() for images in batches]
    return torch.cat(parts).numpy()


def with_prefix(prefix: str, arrays: Arrays) -> Arrays:
    """The same arrays under the names ``<prefix>_<name>``, as a run stores them."""
    return {f"{prefix}_{name}": array for name, array in arrays.items()}
