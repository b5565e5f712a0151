"""Label maps to look at: input, truth and prediction side by side (Fig. 5), and the worst image of each class."""

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
from dta_bench.domains.benchmark import Benchmark
from dta_bench.domains.images import LabelledImages
from dta_bench.evaluation.evaluator import Arrays, Meter

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Pixels = NDArray[np.uint8]
Colour = tuple[int, int, int]
FOLDER, ARRAYS = "scenes", "scenes.npz"
"""Where a run keeps its pictures, and what they were drawn from."""
SHOWN = 4  # images of target test in the picture of scenes; the same for every run of a benchmark

# Cityscapes' colours of its evaluated classes (R, G, B), as its owners publish them.
CITYSCAPES: dict[str, Colour] = {
    "road": (128, 64, 128), "sidewalk": (244, 35, 232), "building": (70, 70, 70), "wall": (102, 102, 156),
    "fence": (190, 153, 153), "pole": (153, 153, 153), "traffic light": (250, 170, 30), "traffic sign": (220, 220, 0),
    "vegetation": (107, 142, 35), "terrain": (152, 251, 152), "sky": (70, 130, 180), "person": (220, 20, 60),
    "rider": (255, 0, 0), "car": (0, 0, 142), "truck": (0, 0, 70), "bus": (0, 60, 100), "train": (0, 80, 100),
    "motorcycle": (0, 0, 230), "bicycle": (119, 11, 32),
}  # fmt: skip


@dataclass(frozen=True)
class Scenes:
    """Some images of target test at the network's input size, with truth, prediction, and why they are shown.

    ``images`` (n, H, W, 3), ``truths`` and ``predictions`` (n, H, W); ``worst_of`` names the class of which an image is
    the worst, empty for those of the picture of scenes, which come first. ``ious`` is that class's IoU in it, percent.
    """

    ids: list[str]
    worst_of: list[str]
    ious: list[float]
    images: Pixels
    truths: Pixels
    predictions: Pixels

    def arrays(self) -> Arrays:
        """As they are kept with a run."""
        return {name: np.asarray(value) for name, value in vars(self).items()}

    @property
    def shown(self) -> list[int]:
        """Rows of the picture of scenes."""
        return [row for row, name in enumerate(self.worst_of) if not name]


def from_arrays(found: Mapping[str, NDArray[Any]]) -> Scenes:
    """The inverse of :meth:`Scenes.arrays`."""
    return Scenes(
        [str(one) for one in found["ids"]], [str(one) for one in found["worst_of"]], [float(v) for v in found["ious"]],
        found["images"], found["truths"], found["predictions"],
    )  # fmt: skip


def collect(meter: Meter, test: LabelledImages, confusions: NDArray[np.int32]) -> Scenes:
    """Evenly spread images of ``test``, then for each class the image in which its IoU is lowest."""
    rows = [int(row) for row in np.unique(np.linspace(0, len(test) - 1, min(SHOWN, len(test))).round())]
    worst = worst_images(confusions)
    classes = meter.benchmark.classes
    chosen = [*rows, *worst.values()]
    images = [np.asarray(test.images[row]) for row in chosen]
    size = meter.benchmark.image_size
    ious = [float("nan")] * len(rows) + [float(ious_of(confusions)[row, kind]) for kind, row in worst.items()]
    return Scenes(
        ids=[test.ids[row] for row in chosen],
        worst_of=[""] * len(rows) + [classes[kind] for kind in worst],
        ious=ious,
        images=np.stack([np.broadcast_to(resize(image, size), (*size, 3)) for image in images]).astype(np.uint8),
        truths=np.stack([resize_labels(np.asarray(test.labels[row]), size) for row in chosen]),
        predictions=np.stack(list(meter.label_maps(images))),
    )


def ious_of(confusions: NDArray[np.int32]) -> NDArray[np.float64]:
    """IoU in percent (N, K) of each class in each image; nan where the image has no pixel of it."""
    right = np.diagonal(confusions, axis1=1, axis2=2).astype(np.float64)
    truth, guess = confusions.sum(axis=2), confusions.sum(axis=1)
    found = np.divide(100 * right, truth + guess - right, out=np.full(right.shape, np.nan), where=truth > 0)
    return np.asarray(found, dtype=np.float64)


def worst_images(confusions: NDArray[np.int32]) -> dict[int, int]:
    """For each class that is there the row of its lowest IoU; among equals the one with most of its pixels."""
    ious, truth = ious_of(confusions), confusions.sum(axis=2)
    found = {}
    for kind in range(ious.shape[1]):
        there = np.flatnonzero(truth[:, kind] > 0)
        if len(there):
            found[kind] = int(min(there, key=lambda row: (ious[row, kind], -truth[row, kind])))
    return found


def palette(classes: Sequence[str]) -> NDArray[np.uint8]:
    """A colour for each of 256 labels: Cityscapes' where a class has its name, else a hue of its own; ignored black."""
    from matplotlib import colormaps

    colours = np.zeros((256, 3), dtype=np.uint8)
    for index, name in enumerate(classes):
        hue = tuple(round(255 * part) for part in colormaps["tab20"](index % 20)[:3])
        colours[index] = CITYSCAPES.get(name, hue)
    return colours


def picture(columns: Mapping[str, Pixels], benchmark: Benchmark, notes: Sequence[str] = ()) -> Figure:
    """Columns of images (n, H, W, 3) or label maps (n, H, W) side by side, a row an image, with the classes' legend.

    ``notes`` stands beside each row.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    colours = palette(benchmark.classes)
    rows = len(next(iter(columns.values())))
    height, width = next(iter(columns.values())).shape[1:3]
    wide = 3.2
    figure = Figure(figsize=(wide * len(columns), (wide * height / width + 0.08) * rows + 1.1), layout="constrained")
    axes = np.atleast_2d(figure.subplots(rows, len(columns), squeeze=False))
    for column, (name, shown) in enumerate(columns.items()):
        for row in range(rows):
            _show(axes[row, column], shown[row] if shown.ndim == 4 else colours[shown[row]])
        axes[0, column].set_title(name, fontsize=10)
    for row, note in enumerate(notes):
        axes[row, 0].set_ylabel(note, fontsize=7)
    kinds = [*zip(benchmark.classes, colours.tolist(), strict=False), ("ignored", [0, 0, 0])]
    patches = [Patch(facecolor=(r / 255, g / 255, b / 255), edgecolor="0.5", label=name) for name, (r, g, b) in kinds]
    figure.legend(handles=patches, loc="outside lower center", ncols=min(7, len(patches)), fontsize=8, frameon=False)
    return figure


def _show(axes: Axes, image: Pixels) -> None:
    axes.imshow(image, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])


@contextmanager
def written(found: Scenes, benchmark: Benchmark) -> Iterator[list[Path]]:
    """The scenes as arrays and as pictures, in files that are there within the block."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, ARRAYS)]
        np.savez_compressed(paths[0], allow_pickle=False, **found.arrays())
        for name, figure in pictures(found, benchmark).items():
            paths.append(Path(folder, name))
            figure.savefig(paths[-1], dpi=110)
        yield paths


def pictures(found: Scenes, benchmark: Benchmark) -> dict[str, Figure]:
    """A run's own pictures by file name: its scenes, and its worst image of each class."""
    drawn = {"scenes.png": _of_rows(found, found.shown, benchmark, [])}
    worst = [row for row, name in enumerate(found.worst_of) if name]
    if worst:
        notes = [f"{found.worst_of[row]}\nIoU {found.ious[row]:.0f} %" for row in worst]
        drawn["worst.png"] = _of_rows(found, worst, benchmark, notes)
    return drawn


def _of_rows(found: Scenes, rows: list[int], benchmark: Benchmark, notes: list[str]) -> Figure:
    columns = {"input": found.images, "truth": found.truths, "predicted": found.predictions}
    return picture({name: shown[rows] for name, shown in columns.items()}, benchmark, notes)
