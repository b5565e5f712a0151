"""Make batches of network input: shuffled and augmented by a seed for training, in order for evaluation.

The batches of an epoch depend on nothing but (seed, epoch), so a resumed run continues at any step with the batches
that it would have had.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dta_bench.data import augment, prefetch
from dta_bench.data.augment import Augmentation, ViewKey
from dta_bench.data.prefetch import PartBuffer, Parts
from dta_bench.domains.images import Image, LabelledImages, UnlabelledImages, is_lazy
from dta_bench.nn import distributed
from dta_bench.nn.network import IMAGENET, Labelled, Normalisation, Unlabelled
from dta_bench.spec.benchmark import Benchmark

Pixels = NDArray[np.float32]
SecondView = Literal["again", "strong"]
SECOND_VIEW = 2
"""Takes the place of the domain in the key of a second view, so that its random draws differ from the first view's."""


class Batches:
    """Pairs of a labelled source batch and an unlabelled target batch, with ``batch_size`` images each.

    An epoch goes once through the domain that the benchmark's ``epoch_length`` names, without its last short batch.
    The other domain is reshuffled and repeated if it is shorter, and cut if it is longer. A process that is one of a
    run's replicas gets its own part of each batch.

    Args:
        source: the labelled source images.
        target: the target images.
        benchmark: gives the image size, the standardisation, the augmentation and the epoch length.
        batch_size: images of each domain in a batch.
        seed: seed of the order and of the augmentation.
        channels: 1 or 3, as the network takes them.
        workers: processes that decode and augment ahead; images that are in memory use none.
        normalisation: channel means and deviations of the network's weights.
        second_view: gives each target image a second view in the batch: ``again`` by the benchmark's own augmentation,
            ``strong`` with the benchmark's strong view on top.
        source_odds: (source images,) the probability of each source image at each draw; None: every image comes once
            before any comes again.
        steps: of an epoch; None: as many as the epoch length gives. Both domains are then cut or repeated.
    """

    def __init__(
        self,
        source: LabelledImages,
        target: UnlabelledImages,
        benchmark: Benchmark,
        batch_size: int,
        seed: int,
        channels: int,
        workers: int = 0,
        normalisation: Normalisation = IMAGENET,
        second_view: SecondView | None = None,
        source_odds: NDArray[np.float64] | None = None,
        steps: int | None = None,
    ) -> None:
        self.source, self.target = source, target
        self.workers = workers if is_lazy(source.images) or is_lazy(target.images) else 0
        self.source_odds = source_odds
        self.batch_size, self.seed = batch_size, seed
        self._source_input = InputMaker(benchmark, "source", channels, normalisation)
        self._target_input = InputMaker(benchmark, "target", channels, normalisation)
        self._second_input = (
            InputMaker(benchmark, "target", channels, normalisation, second_view) if second_view else None
        )
        sizes = {"source": len(source), "target": len(target), "larger": max(len(source), len(target))}
        self.steps = steps or max(1, sizes[benchmark.epoch_length] // batch_size)

    def __len__(self) -> int:
        return self.steps

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[tuple[Labelled, Unlabelled]]:
        """The batches of an epoch from ``start_step`` on, which counts from 0.

        Raises:
            UserError: an image of it cannot be read.
        """
        keys = _EpochKeys(self, epoch)
        steps = prefetch.make_ahead(
            lambda step, buffer: self._write(*keys.of_step(step), buffer), range(start_step, self.steps), self.workers
        )
        return (self._as_input(arrays, keys.of_step(step)[1]) for step, arrays in steps)

    def _write(self, source: Sequence[ViewKey], target: Sequence[ViewKey], buffer: PartBuffer) -> None:
        """Write the views that the keys name, and the source's labels; a key ends in the image's index."""
        labels = []
        for row, key in enumerate(source):
            image, mask = self._source_input.view(self.source.images[key[-1]], key, self._label_map(key[-1]))
            self._source_input.write(image, row, len(source), buffer, "source")
            labels.append(np.asarray(self.source.labels[key[-1]]) if mask is None else mask)
        buffer.array("labels", (len(source), *labels[0].shape), np.int64)[...] = np.stack(labels)
        for row, key in enumerate(target):
            image = self.target.images[key[-1]]
            self._target_input.write(self._target_input.view(image, key)[0], row, len(target), buffer, "target")
            if self._second_input is not None:
                seed, epoch, _, *rest = key
                second, _ = self._second_input.view(image, (seed, epoch, SECOND_VIEW, *rest))
                self._second_input.write(second, row, len(target), buffer, "second")

    def _as_input(self, arrays: Parts, target: Sequence[ViewKey]) -> tuple[Labelled, Unlabelled]:
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        unlabelled = Unlabelled(tensors["target"], tensors.get("second"), torch.tensor([key[-1] for key in target]))
        return Labelled(tensors["source"], tensors["labels"]), unlabelled

    def _label_map(self, index: int) -> NDArray[np.uint8] | None:
        return None if isinstance(self.source.labels, np.ndarray) else self.source.labels[index]


class _EpochKeys:
    """The keys of the views that make up each step of an epoch."""

    def __init__(self, batches: Batches, epoch: int) -> None:
        self._batch_size = batches.batch_size
        count = batches.steps * self._batch_size
        odds, key = batches.source_odds, (batches.seed, epoch, 0)
        self._source = _shuffled(key, len(batches.source), count) if odds is None else _drawn(key, odds, count)
        self._target = _shuffled((batches.seed, epoch, 1), len(batches.target), count)

    def of_step(self, step: int) -> tuple[list[ViewKey], list[ViewKey]]:
        """Keys of the source's and of the target's views of a step, as far as this replica makes them."""
        size = self._batch_size // distributed.replica_count()
        first = step * self._batch_size + distributed.rank() * size
        return self._source[first : first + size], self._target[first : first + size]


def _shuffled(key: ViewKey, size: int, count: int) -> list[ViewKey]:
    """``count`` keys (seed, epoch, domain, cycle, index): one permutation of all indices after the other."""
    indices = shuffled_indices(key, size, count)
    return [(*key, number // size, int(index)) for number, index in enumerate(indices)]


def shuffled_indices(key: ViewKey, size: int, count: int) -> NDArray[np.int64]:
    """``count`` indices: one permutation of all ``size`` after the other."""
    cycles = range(-(-count // size))
    orders = [np.random.default_rng((*key, cycle)).permutation(size) for cycle in cycles]
    return np.concatenate(orders)[:count]


def _drawn(key: ViewKey, odds: NDArray[np.float64], count: int) -> list[ViewKey]:
    """``count`` keys (seed, epoch, domain, draw, index), each index drawn with the probabilities ``odds``."""
    return [(*key, draw, int(index)) for draw, index in enumerate(drawn_indices(key, odds, count))]


def drawn_indices(key: ViewKey, odds: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """``count`` indices, each drawn with the probabilities ``odds``."""
    return np.random.default_rng(key).choice(len(odds), count, p=odds)


def class_counts(images: LabelledImages, classes: int) -> NDArray[np.int64]:
    """Count the pixels of each class in each image, or, without label maps, whether the image is of that class.

    It reads every label map.

    Returns:
        (images, classes)
    """
    counts = [np.bincount(np.ravel(labels), minlength=classes)[:classes] for labels in images.labels]
    return np.stack(counts)


def evaluation_batches(
    images: Sequence[Image],
    benchmark: Benchmark,
    channels: int,
    batch_size: int,
    normalisation: Normalisation = IMAGENET,
    workers: int = 0,
) -> Iterator[Tensor]:
    """All images in order, resized and standardised, without augmentation.

    Args:
        images: the images.
        benchmark: gives the image size and the standardisation.
        channels: 1 or 3, as the network takes them.
        batch_size: images in a batch; the last batch may be short.
        normalisation: channel means and deviations of the network's weights.
        workers: processes that decode ahead; images that are in memory use none.

    Returns:
        Tensors (batch, channels, height, width) float.

    Raises:
        UserError: an image cannot be read.
    """
    input_maker = InputMaker(benchmark, "evaluation", channels, normalisation)

    def write(batch: int, buffer: PartBuffer) -> None:
        indices = range(batch * batch_size, min((batch + 1) * batch_size, len(images)))
        for row, i in enumerate(indices):
            input_maker.write(input_maker.plain(images[i]), row, len(indices), buffer, "images")

    order = range(-(-len(images) // batch_size))
    batches = prefetch.make_ahead(write, order, workers if is_lazy(images) else 0)
    return (torch.from_numpy(arrays["images"]) for _, arrays in batches)


class InputMaker:
    """Makes network input of one domain's images, with or without augmentation.

    Standardisation by an image's own mean and deviation comes before augmentation, as in French et al.: then the pixels
    that a shift brings in have the image's own mean, and noise is in units of its deviation. Standardisation by the
    channel means and deviations of the network's weights comes after augmentation.

    Args:
        benchmark: gives the image size, the standardisation, the augmentation and the crop.
        domain: ``source``, ``target`` or ``evaluation``.
        channels: 1 or 3, as the network takes them.
        normalisation: channel means and deviations of the network's weights.
        second_view: ``strong`` adds the benchmark's strong view.
    """

    def __init__(
        self,
        benchmark: Benchmark,
        domain: str,
        channels: int,
        normalisation: Normalisation = IMAGENET,
        second_view: SecondView | None = None,
    ) -> None:
        self._size, self._channels, self._normalisation = benchmark.image_size, channels, normalisation
        self._per_sample = benchmark.standardisation == "per_sample"
        names = benchmark.augmentation
        self._keeps_sizes = augment.keeps_sizes(names, domain, self._size)
        if benchmark.crop and domain != "evaluation":
            names = (*names, "crop{}x{}".format(*benchmark.crop))
        names = (*names, *benchmark.strong_view) if second_view == "strong" else names
        self._augment = Augmentation(names, domain, benchmark.image_size, benchmark.ignore_index)
        self._resized = augment.evaluation_size(benchmark.augmentation, self._size)

    def view(
        self, image: Image, key: ViewKey, mask: NDArray[np.uint8] | None = None
    ) -> tuple[augment.Pixels, NDArray[np.uint8] | None]:
        """The augmented view of an image that ``key`` names, and of its label map if there is one.

        Returns:
            (height, width, channels), for :meth:`write`, and (height, width) uint8 or None.
        """
        adapted: augment.Pixels = adapt_channels(image, self._channels)
        if self._keeps_sizes:
            adapted = augment.resize(adapted, self._size)
            mask = mask if mask is None or mask.shape == self._size else augment.resize_labels(mask, self._size)
        return self._augment(per_sample(adapted) if self._per_sample else adapted, key, mask)

    def plain(self, image: Image) -> augment.Pixels:
        """The image, resized and not augmented, for :meth:`write`: (height, width, channels).

        Of an image that training sees in cuts of a larger one it is the middle.
        """
        resized = augment.resize(adapt_channels(image, self._channels), self._resized)
        cut = augment.cut_middle(resized, self._size)
        return per_sample(cut) if self._per_sample else cut

    def write(self, view: augment.Pixels, row: int, rows: int, buffer: PartBuffer, name: str) -> None:
        """Standardise a view and write it into a row of an array.

        Args:
            view: (height, width, channels).
            row: where in the array, from 0.
            rows: rows of the array.
            buffer: the buffer that holds the array.
            name: the array's name; its shape is (rows, channels, height, width).
        """
        height, width, channels = view.shape
        array = buffer.array(name, (rows, channels, height, width), np.float32)
        _standardise(view, None if self._per_sample else self._normalisation, array[row])


def _standardise(view: augment.Pixels, normalisation: Normalisation | None, destination: Pixels) -> None:
    """Write a view into (channels, height, width), standardised by channel moments; None: it is so already."""
    if normalisation is None:
        destination[...] = view.transpose(2, 0, 1)
    elif view.dtype == np.uint8:
        augment.look_up(view.astype(np.uint8, copy=False), _table(normalisation, view.shape[2]), destination)
    else:
        mean, deviation = _moments(normalisation, view.shape[2])
        destination[...] = ((view - mean) / deviation).transpose(2, 0, 1)


def adapt_channels(image: Image, channels: int) -> Image:
    """Repeat grey for three channels, or take the rounded mean of three channels as grey; (height, width, channels)."""
    if image.shape[2] == channels:
        return image
    if image.shape[2] == 1:
        return np.repeat(image, channels, axis=2)
    grey: Image = image.mean(axis=2, keepdims=True).round().astype(np.uint8)
    return grey


def per_sample(image: augment.Pixels) -> Pixels:
    """Subtract an image's mean and divide by its deviation, over all pixels and channels; one colour becomes zeros."""
    centred = image.astype(np.float32)
    centred -= centred.mean()
    deviation = np.sqrt(np.vdot(centred, centred) / centred.size)
    return centred / max(deviation, np.float32(1e-3))  # type: ignore[no-any-return]


@functools.cache
def _table(normalisation: Normalisation, channels: int) -> Pixels:
    """The standardised value of each pixel value 0..255, (channels, 256): a look-up is faster than a division."""
    mean, deviation = _moments(normalisation, channels)
    return ((np.arange(256, dtype=np.float32)[:, None] - mean) / deviation).T.copy()


def _moments(normalisation: Normalisation, channels: int) -> tuple[Pixels, Pixels]:
    """Means and deviations for values 0..255; for a grey image, the mean over the three colours."""
    mean, deviation = (255 * np.array(values, dtype=np.float32) for values in (normalisation.mean, normalisation.std))
    return (mean, deviation) if channels == len(mean) else (mean.mean(keepdims=True), deviation.mean(keepdims=True))
