"""Make batches of network input: shuffled and augmented by a seed for training, in order for evaluation.

The batches of an epoch depend on nothing but (seed, epoch), so a resumed run continues at any step with the batches
that it would have had.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dta_bench.data import prefetch
from dta_bench.data.augment import ViewKey
from dta_bench.data.device_path.byte_maker import ByteMaker
from dta_bench.data.device_path.receive import Receiver, standardised_there
from dta_bench.data.input_maker import InputMaker, SecondView
from dta_bench.data.prefetch import PartBuffer, Parts
from dta_bench.domains.images import Image, LabelledImages, UnlabelledImages, is_lazy
from dta_bench.nn import distributed
from dta_bench.nn.network import IMAGENET, Labelled, Normalisation, Unlabelled
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.training import Noise

SECOND_VIEW = 2
"""Takes the place of the domain in the key of a second view, so that its random draws differ from the first view's."""
MOST_READERS_OF_MEMORY = 4
"""Processes that make images in memory ready for a GPU; more of them take longer to start than they save."""


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
        workers: processes that decode and augment ahead; images that are in memory use none, or few for a GPU.
        normalisation: channel means and deviations of the network's weights.
        second_view: gives each target image a second view in the batch: ``again`` by the benchmark's own augmentation,
            ``strong`` with the benchmark's strong view on top.
        source_odds: (source images,) the probability of each source image at each draw; None: every image comes once
            before any comes again.
        steps: of an epoch; None: as many as the epoch length gives. Both domains are then cut or repeated.
        device: where images go as bytes, to be standardised and moved there; None: all of it is done on the host.
        noise: how the noise of an augmentation is made: drawn on the host, or counted where it is added.
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
        device: torch.device | None = None,
        noise: Noise = "drawn",
    ) -> None:
        self.source, self.target = source, target
        self.workers = _readers(workers, is_lazy(source.images) or is_lazy(target.images), device)
        self.source_odds = source_odds
        self.batch_size, self.seed = batch_size, seed
        views: dict[str, tuple[str, SecondView | None]] = {"source": ("source", None), "target": ("target", None)}
        views |= {"second": ("target", second_view)} if second_view else {}
        self._makers: dict[str, InputMaker | ByteMaker]
        self._receiver: Receiver | None = None
        if device is None:
            self._makers = {
                name: InputMaker(benchmark, domain, channels, normalisation, second, noise)
                for name, (domain, second) in views.items()
            }
        else:
            own = {
                name: ByteMaker(benchmark, domain, channels, second, noise) for name, (domain, second) in views.items()
            }
            divisions = {name: maker.division for name, maker in own.items()}
            self._receiver = Receiver(divisions, benchmark, channels, normalisation, device)
            self._makers = {**own}
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
        batches = (self._tensors(arrays, keys.of_step(step)[1]) for step, arrays in steps)
        return map(_as_input, batches) if self._receiver is None else self._receiver.receive(batches)

    def _write(self, source: Sequence[ViewKey], target: Sequence[ViewKey], buffer: PartBuffer) -> None:
        """Write the views that the keys name, and the source's labels; a key ends in the image's index."""
        labels = []
        for row, key in enumerate(source):
            image, label_map = self.source.images[key[-1]], self._label_map(key[-1])
            mask = self._makers["source"].write_view(image, key, label_map, row, len(source), buffer, "source")
            labels.append(np.asarray(self.source.labels[key[-1]]) if mask is None else mask)
        maps_travel_as_bytes = self._receiver is not None and labels[0].ndim
        kind = np.uint8 if maps_travel_as_bytes else np.int64
        buffer.array("labels", (len(source), *labels[0].shape), kind)[...] = np.stack(labels)
        for row, key in enumerate(target):
            image = self.target.images[key[-1]]
            self._makers["target"].write_view(image, key, None, row, len(target), buffer, "target")
            if "second" in self._makers:
                seed, epoch, _, *rest = key
                again = (seed, epoch, SECOND_VIEW, *rest)
                self._makers["second"].write_view(image, again, None, row, len(target), buffer, "second")

    def _tensors(self, arrays: Parts, target: Sequence[ViewKey]) -> dict[str, Tensor]:
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        return tensors | {"index": torch.tensor([key[-1] for key in target])}

    def _label_map(self, index: int) -> NDArray[np.uint8] | None:
        return None if isinstance(self.source.labels, np.ndarray) else self.source.labels[index]


def _readers(wanted: int, is_lazy: bool, device: torch.device | None) -> int:
    """How many processes make batches ahead: on a CPU they would take the cores that train."""
    if is_lazy:
        return wanted
    return min(wanted, MOST_READERS_OF_MEMORY) if device is not None and device.type == "cuda" else 0


def _as_input(batch: dict[str, Tensor]) -> tuple[Labelled, Unlabelled]:
    unlabelled = Unlabelled(batch["target"], batch.get("second"), batch["index"])
    return Labelled(batch["source"], batch["labels"]), unlabelled


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
    device: torch.device | None = None,
) -> Iterator[Tensor]:
    """All images in order, resized and standardised, without augmentation.

    Args:
        images: the images.
        benchmark: gives the image size and the standardisation.
        channels: 1 or 3, as the network takes them.
        batch_size: images in a batch; the last batch may be short.
        normalisation: channel means and deviations of the network's weights.
        workers: processes that decode ahead; images that are in memory use none.
        device: where images go as bytes, to be standardised there; None: they are standardised on the host.

    Returns:
        Tensors (batch, channels, height, width) float, on the host or on ``device``.

    Raises:
        UserError: an image cannot be read.
    """
    maker = InputMaker(benchmark, "evaluation", channels, normalisation)

    def write(batch: int, buffer: PartBuffer) -> None:
        indices = range(batch * batch_size, min((batch + 1) * batch_size, len(images)))
        for row, i in enumerate(indices):
            if device is None:
                maker.write(maker.plain(images[i]), row, len(indices), buffer, "images")
            else:
                pixels = maker.plain_bytes(images[i])
                buffer.array("images", (len(indices), *pixels.shape), np.uint8)[row] = pixels

    order = range(-(-len(images) // batch_size))
    made = prefetch.make_ahead(write, order, workers if is_lazy(images) else 0)
    batches = (torch.from_numpy(arrays["images"]) for _, arrays in made)
    return batches if device is None else standardised_there(batches, benchmark, channels, normalisation, device)
