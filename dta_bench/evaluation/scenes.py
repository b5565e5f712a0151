"""Pictures of label maps: input, truth and prediction side by side (Fig. 5), and the worst image of each class."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dta_bench.data.augment import resize, resize_labels
from dta_bench.domains.images import LabelledImages
from dta_bench.evaluation.evaluator import Arrays, Evaluator
from dta_bench.spec.benchmark import Benchmark

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Pixels = NDArray[np.uint8]
Colour = tuple[int, int, int]
FOLDER, ARRAYS = "scenes", "scenes.npz"
"""A run's folder of pictures, and the file of the arrays that they were drawn from."""
SCENE_COUNT = 4  # images of target test in scenes.png; the same ones for every run of a benchmark

# The colours (R, G, B) that Cityscapes' owners publish for its evaluated classes.
CITYSCAPES: dict[str, Colour] = {
    "road": (128, 64, 128), "sidewalk": (244, 35, 232), "building": (70, 70, 70), "wall": (102, 102, 156),
    "fence": (190, 153, 153), "pole": (153, 153, 153), "traffic light": (250, 170, 30), "traffic sign": (220, 220, 0),
    "vegetation": (107, 142, 35), "terrain": (152, 251, 152), "sky": (70, 130, 180), "person": (220, 20, 60),
    "rider": (255, 0, 0), "car": (0, 0, 142), "truck": (0, 0, 70), "bus": (0, 60, 100), "train": (0, 80, 100),
    "motorcycle": (0, 0, 230), "bicycle": (119, 11, 32),
}  # fmt: skip


@dataclass(frozen=True)
class Scenes:
    """Some images of target test at the network's input size, with their true and predicted label maps.

    First come the images of ``scenes.png``, then the worst image of each class.

    Args:
        ids: the images' ids.
        worst_of: the class whose worst image this is; empty for the images of ``scenes.png``.
        ious: that class's IoU in the image, in percent; nan for the images of ``scenes.png``.
        images: (n, H, W, 3).
        truths: (n, H, W) true labels.
        predictions: (n, H, W) predicted labels.
    """

    ids: list[str]
    worst_of: list[str]
    ious: list[float]
    images: Pixels
    truths: Pixels
    predictions: Pixels

    def arrays(self) -> Arrays:
        """The arrays of the file ``scenes.npz`` by name."""
        return {name: np.asarray(value) for name, value in vars(self).items()}

    @property
    def shown(self) -> list[int]:
        """Rows of the images in ``scenes.png``."""
        return [row for row, name in enumerate(self.worst_of) if not name]


def from_arrays(arrays: Mapping[str, NDArray[Any]]) -> Scenes:
    """The inverse of :meth:`Scenes.arrays`."""
    return Scenes(
        [str(name) for name in arrays["ids"]], [str(name) for name in arrays["worst_of"]],
        [float(value) for value in arrays["ious"]], arrays["images"], arrays["truths"], arrays["predictions"],
    )  # fmt: skip


def collect_scenes(evaluator: Evaluator, test: LabelledImages, confusions: NDArray[np.int32]) -> Scenes:
    """Take evenly spread images of ``test``, then for each class the image in which its IoU is lowest.

    Args:
        evaluator: predicts the label maps.
        test: the target test set.
        confusions: (images, K, K) counts of each image of ``test``.
    """
    rows = [int(row) for row in np.unique(np.linspace(0, len(test) - 1, min(SCENE_COUNT, len(test))).round())]
    worst = worst_images(confusions)
    classes = evaluator.benchmark.classes
    chosen = [*rows, *worst.values()]
    images = [np.asarray(test.images[row]) for row in chosen]
    size = evaluator.benchmark.image_size
    ious = [float("nan")] * len(rows) + [float(ious_of(confusions)[row, index]) for index, row in worst.items()]
    return Scenes(
        ids=[test.ids[row] for row in chosen],
        worst_of=[""] * len(rows) + [classes[index] for index in worst],
        ious=ious,
        images=np.stack([np.broadcast_to(resize(image, size), (*size, 3)) for image in images]).astype(np.uint8),
        truths=np.stack([resize_labels(np.asarray(test.labels[row]), size) for row in chosen]),
        predictions=np.stack(list(evaluator.predict_label_maps(images))),
    )


def ious_of(confusions: NDArray[np.int32]) -> NDArray[np.float64]:
    """IoU of each class in each image, (N, K) in percent; nan if no pixel of the image is of the class."""
    hits = np.diagonal(confusions, axis1=1, axis2=2).astype(np.float64)
    truths, guesses = confusions.sum(axis=2), confusions.sum(axis=1)
    ious = np.divide(100 * hits, truths + guesses - hits, out=np.full(hits.shape, np.nan), where=truths > 0)
    return np.asarray(ious, dtype=np.float64)


def worst_images(confusions: NDArray[np.int32]) -> dict[int, int]:
    """Find the image in which each class has its lowest IoU.

    Args:
        confusions: (images, K, K) counts.

    Returns:
        Class index → row of the image, for the classes that occur; among equal IoUs the image with the most pixels of
        the class.
    """
    ious, truths = ious_of(confusions), confusions.sum(axis=2)
    worst = {}
    for index in range(ious.shape[1]):
        rows = np.flatnonzero(truths[:, index] > 0)
        if len(rows):
            worst[index] = int(min(rows, key=lambda row: (ious[row, index], -truths[row, index])))
    return worst


def palette(classes: Sequence[str]) -> NDArray[np.uint8]:
    """A colour for each label, (256, 3).

    A class that has the name of a Cityscapes class has its colour, any other class a hue of its own; ignored pixels are
    black.
    """
    from matplotlib import colormaps

    colours = np.zeros((256, 3), dtype=np.uint8)
    for index, name in enumerate(classes):
        hue = tuple(round(255 * channel) for channel in colormaps["tab20"](index % 20)[:3])
        colours[index] = CITYSCAPES.get(name, hue)
    return colours


def draw_columns(columns: Mapping[str, Pixels], benchmark: Benchmark, notes: Sequence[str] = ()) -> Figure:
    """Draw columns of images or label maps side by side, with a legend of the classes.

    Args:
        columns: title → images (n, H, W, 3) or label maps (n, H, W); each row is one image.
        benchmark: names the classes.
        notes: text beside each row.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    colours = palette(benchmark.classes)
    rows = len(next(iter(columns.values())))
    height, width = next(iter(columns.values())).shape[1:3]
    inches = 3.2  # width of a column
    figure_height = (inches * height / width + 0.08) * rows + 1.1
    figure = Figure(figsize=(inches * len(columns), figure_height), layout="constrained")
    axes = np.atleast_2d(figure.subplots(rows, len(columns), squeeze=False))
    for column, (name, shown) in enumerate(columns.items()):
        for row in range(rows):
            _show(axes[row, column], shown[row] if shown.ndim == 4 else colours[shown[row]])
        axes[0, column].set_title(name, fontsize=10)
    for row, note in enumerate(notes):
        axes[row, 0].set_ylabel(note, fontsize=7)
    entries = [*zip(benchmark.classes, colours.tolist(), strict=False), ("ignored", [0, 0, 0])]
    patches = [Patch(facecolor=(r / 255, g / 255, b / 255), edgecolor="0.5", label=name) for name, (r, g, b) in entries]
    figure.legend(handles=patches, loc="outside lower center", ncols=min(7, len(patches)), fontsize=8, frameon=False)
    return figure


def _show(axes: Axes, image: Pixels) -> None:
    axes.imshow(image, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])


@contextmanager
def temporary_files(scenes: Scenes, benchmark: Benchmark) -> Iterator[list[Path]]:
    """Write the arrays and the pictures to temporary files, which are removed after the ``with`` block."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, ARRAYS)]
        np.savez_compressed(paths[0], allow_pickle=False, **scenes.arrays())
        for name, figure in draw_scenes(scenes, benchmark).items():
            paths.append(Path(folder, name))
            figure.savefig(paths[-1], dpi=110)
        yield paths


def draw_scenes(scenes: Scenes, benchmark: Benchmark) -> dict[str, Figure]:
    """Draw a run's pictures.

    Returns:
        File name → figure: ``scenes.png``, and ``worst.png`` with the worst image of each class.
    """
    figures = {"scenes.png": _draw_rows(scenes, scenes.shown, benchmark, [])}
    worst = [row for row, name in enumerate(scenes.worst_of) if name]
    if worst:
        notes = [f"{scenes.worst_of[row]}\nIoU {scenes.ious[row]:.0f} %" for row in worst]
        figures["worst.png"] = _draw_rows(scenes, worst, benchmark, notes)
    return figures


def _draw_rows(scenes: Scenes, rows: list[int], benchmark: Benchmark, notes: list[str]) -> Figure:
    columns = {"input": scenes.images, "truth": scenes.truths, "predicted": scenes.predictions}
    return draw_columns({name: shown[rows] for name, shown in columns.items()}, benchmark, notes)
