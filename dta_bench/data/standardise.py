"""Make network input of pixels on the host: adapt channels, standardise by an image's or by the weights' moments."""

from __future__ import annotations

import functools

import cv2
import numpy as np
from numpy.typing import NDArray

from dta_bench.domains.images import Image
from dta_bench.nn.network import Normalisation

Floats = NDArray[np.float32]
LEAST_DEVIATION = 1e-3
"""An image of one colour has no deviation; it becomes zeros."""


def standardise(view: NDArray[np.uint8] | Floats, normalisation: Normalisation | None, destination: Floats) -> None:
    """Write a view (H, W, C) into (C, H, W), standardised by channel moments; None: it is so already."""
    if normalisation is None:
        destination[...] = view.transpose(2, 0, 1)
    elif view.dtype == np.uint8:
        look_up(view.astype(np.uint8, copy=False), _table(normalisation, view.shape[2]), destination)
    else:
        mean, deviation = moments(normalisation, view.shape[2])
        destination[...] = ((view - mean) / deviation).transpose(2, 0, 1)


def adapt_channels(image: Image, channels: int) -> Image:
    """Repeat grey for three channels, or take the rounded mean of three channels as grey; (height, width, channels)."""
    if image.shape[2] == channels:
        return image
    if image.shape[2] == 1:
        return np.repeat(image, channels, axis=2)
    grey: Image = image.mean(axis=2, keepdims=True).round().astype(np.uint8)
    return grey


def per_sample(image: NDArray[np.uint8] | Floats) -> Floats:
    """Subtract an image's mean and divide by its deviation, over all pixels and channels; one colour becomes zeros."""
    centred = image.astype(np.float32)
    centred -= centred.mean()
    deviation = np.sqrt(np.vdot(centred, centred) / centred.size)
    return centred / max(deviation, np.float32(LEAST_DEVIATION))  # type: ignore[no-any-return]


def look_up(image: NDArray[np.uint8], table: Floats, destination: Floats) -> None:
    """Write ``table[channel, value]`` for each value of an image.

    Args:
        image: (H, W, C).
        table: (C, 256).
        destination: (C, H, W), is written to.
    """
    for plane, values, written in zip(cv2.split(image), table, destination, strict=True):
        cv2.LUT(plane, values, dst=written)


@functools.cache
def _table(normalisation: Normalisation, channels: int) -> Floats:
    """The standardised value of each pixel value 0..255, (channels, 256): a look-up is faster than a division."""
    mean, deviation = moments(normalisation, channels)
    return ((np.arange(256, dtype=np.float32)[:, None] - mean) / deviation).T.copy()


def moments(normalisation: Normalisation, channels: int) -> tuple[Floats, Floats]:
    """Means and deviations for values 0..255; for a grey image, the mean over the three colours."""
    mean, deviation = (255 * np.array(values, dtype=np.float32) for values in (normalisation.mean, normalisation.std))
    return (mean, deviation) if channels == len(mean) else (mean.mean(keepdims=True), deviation.mean(keepdims=True))
