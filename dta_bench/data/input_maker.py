"""Make network input of one domain's images on the host, with or without augmentation."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dta_bench.data import augment, counted_noise
from dta_bench.data.augment import Augmentation, ViewKey
from dta_bench.data.prefetch import PartBuffer
from dta_bench.data.standardise import adapt_channels, per_sample, standardise
from dta_bench.domains.images import Image
from dta_bench.nn.network import IMAGENET, Normalisation
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.training import Noise

SecondView = Literal["again", "strong"]


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
        noise: how the noise of views is made.
    """

    def __init__(
        self,
        benchmark: Benchmark,
        domain: str,
        channels: int,
        normalisation: Normalisation = IMAGENET,
        second_view: SecondView | None = None,
        noise: Noise = "drawn",
    ) -> None:
        self._size, self._channels, self._normalisation = benchmark.image_size, channels, normalisation
        self._noise_is_counted = noise == "counted"
        self._per_sample = benchmark.standardisation == "per_sample"
        keeps_sizes = augment.keeps_sizes(benchmark.augmentation, domain, self._size)
        self._fitted_size = self._size if keeps_sizes else None
        names = names_of_view(benchmark, domain, second_view)
        self._augment = Augmentation(names, domain, benchmark.image_size, benchmark.ignore_index)
        self._resized = augment.evaluation_size(benchmark.augmentation, self._size)

    def view(
        self, image: Image, key: ViewKey, mask: NDArray[np.uint8] | None = None
    ) -> tuple[augment.Pixels, NDArray[np.uint8] | None]:
        """The augmented view of an image that ``key`` names, and of its label map if there is one.

        Returns:
            (height, width, channels), for :meth:`write`, and (height, width) uint8 or None.
        """
        fitted, mask = fit(image, mask, self._channels, self._fitted_size)
        standardised = per_sample(fitted) if self._per_sample else fitted
        if not (self._noise_is_counted and self._augment.noise):
            return self._augment(standardised, key, mask)
        moved, mask, _ = self._augment.without_noise(standardised, key, mask)
        return counted_noise.with_noise(moved, key, self._augment.noise), mask

    def write_view(
        self,
        image: Image,
        key: ViewKey,
        mask: NDArray[np.uint8] | None,
        row: int,
        rows: int,
        buffer: PartBuffer,
        name: str,
    ) -> NDArray[np.uint8] | None:
        """Write the view that ``key`` names as :meth:`write` does; returns its label map, if there is one."""
        view, mask = self.view(image, key, mask)
        self.write(view, row, rows, buffer, name)
        return mask

    def plain(self, image: Image) -> augment.Pixels:
        """The image, resized and not augmented, for :meth:`write`: (height, width, channels).

        Of an image that training sees in cuts of a larger one it is the middle.
        """
        pixels = self.plain_bytes(image)
        return per_sample(pixels) if self._per_sample else pixels

    def plain_bytes(self, image: Image) -> augment.Pixels:
        """As :meth:`plain`, but always bytes: standardisation is left to the device."""
        resized = augment.resize(adapt_channels(image, self._channels), self._resized)
        return augment.cut_middle(resized, self._size)

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
        standardise(view, None if self._per_sample else self._normalisation, array[row])


def names_of_view(benchmark: Benchmark, domain: str, second_view: SecondView | None) -> tuple[str, ...]:
    """The names of a view's augmentation, of all domains, with the crop and the strong view."""
    names = benchmark.augmentation
    if benchmark.crop and domain != "evaluation":
        names = (*names, "crop{}x{}".format(*benchmark.crop))
    return (*names, *benchmark.strong_view) if second_view == "strong" else names


def fit(
    image: Image, mask: NDArray[np.uint8] | None, channels: int, size: tuple[int, int] | None
) -> tuple[augment.Pixels, NDArray[np.uint8] | None]:
    """An image in the network's channels, and, unless ``size`` is None, it and its label map in this size."""
    adapted: augment.Pixels = adapt_channels(image, channels)
    if size is None:
        return adapted, mask
    return augment.resize(adapted, size), mask if mask is None else augment.Shrink(size, exact=True).shrink_labels(mask)
