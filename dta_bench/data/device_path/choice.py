"""Whether a run's images go to the device as bytes, and what to say of it."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from dta_bench.data.device_path.division import divide
from dta_bench.data.input_maker import SecondView
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.training import Training


@dataclass(frozen=True)
class DataPath:
    """The way of a run's images to its device.

    Attributes:
        on_device: whether they go there as bytes and become network input there.
        said: the same in words; empty where nobody asked and there is no GPU.
    """

    on_device: bool
    said: str = ""


def data_path(
    benchmark: Benchmark, second_view: SecondView | None, training: Training, device: torch.device
) -> DataPath:
    """The way of a run's images: on a GPU as bytes, unless the training says otherwise or it cannot be.

    Args:
        benchmark: at the image size, crop and augmentation of the training.
        second_view: of the method.
    """
    asked = training.data_on_device
    is_wanted = device.type == "cuda" if asked is None else asked
    if training.keeps_features or not is_wanted:
        return DataPath(False, "images are made on the host" if asked is False else "")
    views = [divide(benchmark, "source"), divide(benchmark, "target"), divide(benchmark, "target", second_view)]
    for obstacle in (view.obstacle for view in views if view.obstacle):
        return DataPath(False, f"images are made on the host, since {obstacle}")
    added = ", where their noise is counted" if training.noise == "counted" else ""
    return DataPath(True, f"images travel as bytes, and are standardised and moved on the device{added}")
