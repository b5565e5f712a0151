"""The host's part of making network input: the bytes that travel, and what it draws for the device's part."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dta_bench.data import augment, counted_noise
from dta_bench.data.augment import Augmentation, ViewKey
from dta_bench.data.device_path.device_part import MOVES, NOISE, STREAMS
from dta_bench.data.device_path.division import divide
from dta_bench.data.input_maker import SecondView, fit
from dta_bench.data.prefetch import PartBuffer
from dta_bench.domains.images import Image
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.training import Noise


class ByteMaker:
    """Makes of one domain's images what travels to the device.

    It draws for each view what :class:`~dta_bench.data.input_maker.InputMaker` draws, in the same order.

    Args:
        benchmark: gives the image size, the standardisation, the augmentation and the crop.
        domain: ``source`` or ``target``.
        channels: 1 or 3, as the network takes them.
        second_view: ``strong`` adds the benchmark's strong view.
        noise: drawn here, or counted on the device.

    Attributes:
        division: what the host does, and what is left to the device.
    """

    def __init__(
        self,
        benchmark: Benchmark,
        domain: str,
        channels: int,
        second_view: SecondView | None = None,
        noise: Noise = "drawn",
    ) -> None:
        self.division = divide(benchmark, domain, second_view)
        self._channels, self._noise, size = channels, noise, benchmark.image_size
        self._size = size if augment.keeps_sizes(benchmark.augmentation, domain, size) else None
        self._augment = Augmentation(self.division.host, domain, size, benchmark.ignore_index)

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
        """Write a view into a row of the arrays of a name: its bytes, its moves, and its noise or what names it.

        Returns:
            The label map, if there is one, before the moves.
        """
        fitted, mask = fit(image, mask, self._channels, self._size)
        pixels, mask, rng = self._augment.without_noise(fitted, key, mask)
        buffer.array(name, (rows, *pixels.shape), np.uint8)[row] = pixels
        drawn, shape = list[int](), (pixels.shape[0], pixels.shape[1])
        for move in self.division.moves:
            numbers, shape = move.draw(shape, self._augment.python_random)
            drawn += numbers
        if drawn:
            buffer.array(MOVES.format(name), (rows, len(drawn)), np.int64)[row] = drawn
        if self.division.noise and self._noise == "counted":
            streams = buffer.array(STREAMS.format(name), (rows, counted_noise.NUMBERS), np.int64)
            streams[row] = counted_noise.stream_of(key)
        elif self.division.noise:
            noise = buffer.array(NOISE.format(name), (rows, *shape, self._channels), np.float32)
            rng.standard_normal(dtype=np.float32, out=noise[row])
        return mask
