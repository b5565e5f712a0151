"""Images to batches of network input: shuffled and augmented by seed for training, in order for evaluation.

An epoch is a function of (seed, epoch) alone, so a resumed run goes on at any step with the batches it would have had.
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
from dta_bench.data.augment import Augmentation, Key
from dta_bench.data.prefetch import Parts, Room
from dta_bench.domains.benchmark import Benchmark
from dta_bench.domains.images import Image, LabelledImages, UnlabelledImages, is_lazy
from dta_bench.nn import distributed
from dta_bench.nn.network import IMAGENET, Labelled, Normalisation, Unlabelled

Pixels = NDArray[np.float32]
SecondView = Literal["again", "strong"]
SECOND = 2
"""Stands for the domain in the key of a second view, so that its draws are its own."""


class Batches:
    """Pairs of a labelled source batch and an unlabelled target batch, ``batch_size`` of each.

    An epoch goes once through the domain that the benchmark's ``epoch_length`` names, without its last short batch;
    a shorter domain is reshuffled and repeated, a longer one is cut. ``workers`` processes decode and augment lazy
    sets; images that are in memory need none. ``second_view`` gives each target image a second view in the batch:
    ``again`` from the benchmark's own augmentation, ``strong`` with the ``strong`` augmentation on top.
    ``source_odds`` (N,), if given, says how likely each source image is at each draw; else each comes once a pass.
    A process that is one of a run's replicas is given its own part of each batch.
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
    ) -> None:
        self.source, self.target = source, target
        self.workers = workers if is_lazy(source.images) or is_lazy(target.images) else 0
        self.source_odds = source_odds
        self.batch_size, self.seed = batch_size, seed
        self._of_source = View(benchmark, "source", channels, normalisation)
        self._of_target = View(benchmark, "target", channels, normalisation)
        self._again = View(benchmark, "target", channels, normalisation, second_view) if second_view else None
        sizes = {"source": len(source), "target": len(target), "larger": max(len(source), len(target))}
        self.steps = max(1, sizes[benchmark.epoch_length] // batch_size)

    def __len__(self) -> int:
        return self.steps

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[tuple[Labelled, Unlabelled]]:
        """The batches of ``epoch`` from ``start_step`` on.

        Raises:
            UserError: an image of it cannot be read.
        """
        keys = _Keys(self, epoch)
        steps = prefetch.made(
            lambda step, room: self._write(*keys.of(step), room), range(start_step, self.steps), self.workers
        )
        return (self._input(found, keys.of(step)[1]) for step, found in steps)

    def _write(self, source: Sequence[Key], target: Sequence[Key], room: Room) -> None:
        """The views that keys name, and the source's labels, into ``room``; a key ends in the image's index."""
        labels = []
        for row, key in enumerate(source):
            image, mask = self._of_source(self.source.images[key[-1]], key, self._label_map(key[-1]))
            self._of_source.write(image, row, len(source), room, "source")
            labels.append(np.asarray(self.source.labels[key[-1]]) if mask is None else mask)
        room.array("labels", (len(source), *labels[0].shape), np.int64)[...] = np.stack(labels)
        for row, key in enumerate(target):
            image = self.target.images[key[-1]]
            self._of_target.write(self._of_target(image, key)[0], row, len(target), room, "target")
            if self._again is not None:
                seed, epoch, _, *rest = key
                again, _ = self._again(image, (seed, epoch, SECOND, *rest))
                self._again.write(again, row, len(target), room, "again")

    def _input(self, found: Parts, target: Sequence[Key]) -> tuple[Labelled, Unlabelled]:
        """What was written, as a network takes it."""
        tensors = {name: torch.from_numpy(array) for name, array in found.items()}
        unlabelled = Unlabelled(tensors["target"], tensors.get("again"), torch.tensor([key[-1] for key in target]))
        return Labelled(tensors["source"], tensors["labels"]), unlabelled

    def _label_map(self, index: int) -> NDArray[np.uint8] | None:
        return None if isinstance(self.source.labels, np.ndarray) else self.source.labels[index]


class _Keys:
    """Which views make up each step of an epoch."""

    def __init__(self, batches: Batches, epoch: int) -> None:
        self._size = batches.batch_size
        count = batches.steps * self._size
        odds, key = batches.source_odds, (batches.seed, epoch, 0)
        self._source = _order(key, len(batches.source), count) if odds is None else _drawn(key, odds, count)
        self._target = _order((batches.seed, epoch, 1), len(batches.target), count)

    def of(self, step: int) -> tuple[list[Key], list[Key]]:
        """Keys of the source's and of the target's views."""
        part = self._size // distributed.replica_count()
        first = step * self._size + distributed.rank() * part
        return self._source[first : first + part], self._target[first : first + part]


def _order(key: Key, size: int, count: int) -> list[Key]:
    """``count`` keys (seed, epoch, domain, cycle, index): one permutation of all indices after another."""
    cycles = range(-(-count // size))
    orders = (np.random.default_rng((*key, cycle)).permutation(size) for cycle in cycles)
    return [(*key, cycle, int(index)) for cycle, order in zip(cycles, orders, strict=True) for index in order][:count]


def _drawn(key: Key, odds: NDArray[np.float64], count: int) -> list[Key]:
    """``count`` keys (seed, epoch, domain, draw, index), each index drawn by ``odds``."""
    indices = np.random.default_rng(key).choice(len(odds), count, p=odds)
    return [(*key, draw, int(index)) for draw, index in enumerate(indices)]


def class_counts(images: LabelledImages, classes: int) -> NDArray[np.int64]:
    """How many pixels (or, without label maps, images) of each class each image has, (N, classes); reads every map."""
    counted = [np.bincount(np.ravel(labels), minlength=classes)[:classes] for labels in images.labels]
    return np.stack(counted)


def evaluation_batches(
    images: Sequence[Image],
    benchmark: Benchmark,
    channels: int,
    batch_size: int,
    normalisation: Normalisation = IMAGENET,
    workers: int = 0,
) -> Iterator[Tensor]:
    """All ``images`` in order, resized and standardised, (B, C, H, W) float; the last batch may be short.

    Raises:
        UserError: an image cannot be read.
    """
    view = View(benchmark, "evaluation", channels, normalisation)

    def write(batch: int, room: Room) -> None:
        here = range(batch * batch_size, min((batch + 1) * batch_size, len(images)))
        for row, i in enumerate(here):
            view.write(view.plain(images[i]), row, len(here), room, "images")

    batches = prefetch.made(write, range(-(-len(images) // batch_size)), workers if is_lazy(images) else 0)
    return (torch.from_numpy(found["images"]) for _, found in batches)


class View:
    """How one domain's images become network input, with or without augmentation.

    Per-sample standardisation comes before augmentation, as in French et al., so that what a shift brings in is the
    image's own mean and noise is in units of its deviation; that of the backbone's weights comes after.
    """

    def __init__(
        self,
        benchmark: Benchmark,
        domain: str,
        channels: int,
        normalisation: Normalisation = IMAGENET,
        second_view: SecondView = "again",
    ) -> None:
        self._size, self._channels, self._normalisation = benchmark.image_size, channels, normalisation
        self._per_sample = benchmark.standardisation == "per_sample"
        parts = benchmark.augmentation
        if benchmark.crop and domain != "evaluation":
            parts = (*parts, "crop{}x{}".format(*benchmark.crop))
        parts = (*parts, "strong") if second_view == "strong" else parts
        self._augment = Augmentation(parts, domain, benchmark.image_size, benchmark.ignore_index)

    def __call__(
        self, image: Image, key: Key, mask: NDArray[np.uint8] | None = None
    ) -> tuple[augment.Pixels, NDArray[np.uint8] | None]:
        """The augmented view that ``key`` names, with its label map if there is one; :meth:`write` makes it input."""
        adapted = adapt_channels(image, self._channels)
        return self._augment(per_sample(adapted) if self._per_sample else adapted, key, mask)

    def plain(self, image: Image) -> augment.Pixels:
        """The whole image, resized, and standardised if that is by its own moments."""
        resized = augment.resize(adapt_channels(image, self._channels), self._size)
        return per_sample(resized) if self._per_sample else resized

    def write(self, view: augment.Pixels, row: int, rows: int, room: Room, name: str) -> None:
        """One view (H, W, C), standardised, as a ``row`` of the array ``name`` (``rows``, C, H, W)."""
        height, width, channels = view.shape
        into = room.array(name, (rows, channels, height, width), np.float32)
        _standardise(view, None if self._per_sample else self._normalisation, into[row])


def _standardise(view: augment.Pixels, by: Normalisation | None, place: Pixels) -> None:
    """One view into its place (C, H, W), by the channel moments ``by`` unless it has its own."""
    if by is None:
        place[...] = view.transpose(2, 0, 1)
    elif view.dtype == np.uint8:
        augment.look_up(view.astype(np.uint8, copy=False), _table(by, view.shape[2]), place)
    else:
        mean, deviation = _moments(by, view.shape[2])
        place[...] = ((view - mean) / deviation).transpose(2, 0, 1)


def adapt_channels(image: Image, channels: int) -> Image:
    """Grey repeated to three channels, or the rounded mean of three as grey, as the backbone wants."""
    if image.shape[2] == channels:
        return image
    if image.shape[2] == 1:
        return np.repeat(image, channels, axis=2)
    grey: Image = image.mean(axis=2, keepdims=True).round().astype(np.uint8)
    return grey


def per_sample(image: augment.Pixels) -> Pixels:
    """Less its own mean, divided by its own deviation over all pixels and channels; an even image becomes zeros."""
    centred = image.astype(np.float32)
    centred -= centred.mean()
    deviation = np.sqrt(np.vdot(centred, centred) / centred.size)
    return centred / max(deviation, np.float32(1e-3))  # type: ignore[no-any-return]


@functools.cache
def _table(by: Normalisation, channels: int) -> Pixels:
    """Channel means taken off, divided by deviations, of each value 0..255: (C, 256), as few numbers are divided."""
    mean, deviation = _moments(by, channels)
    return ((np.arange(256, dtype=np.float32)[:, None] - mean) / deviation).T.copy()


def _moments(by: Normalisation, channels: int) -> tuple[Pixels, Pixels]:
    """Means and deviations for values 0..255; a grey image takes the mean of those of the colours."""
    mean, deviation = (255 * np.array(values, dtype=np.float32) for values in (by.mean, by.std))
    return (mean, deviation) if channels == len(mean) else (mean.mean(keepdims=True), deviation.mean(keepdims=True))
