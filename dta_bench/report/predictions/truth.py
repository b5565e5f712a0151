"""Labels that a user has for images that are predicted, and how well the predictions agree with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from dta_bench import plugins
from dta_bench.benchmarks import _pair_file, _pair_table, _pair_target
from dta_bench.benchmarks._pair_file import PairFile
from dta_bench.benchmarks._pair_labels_of_folders import index_of_name, label_maps, read_labelled
from dta_bench.domains.file_names import composed
from dta_bench.domains.image_files import ImageFiles
from dta_bench.errors import UserError
from dta_bench.evaluation import metrics
from dta_bench.evaluation.label_map_predictions import LabelMap
from dta_bench.report.predictions.images_to_predict import NamedImage
from dta_bench.report.predictions.sinks import MapSink, RowSink
from dta_bench.run.network_card import NetworkCard
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.run_spec import Scores

Labels = NDArray[np.int64] | Sequence[NDArray[np.uint8]]


@dataclass
class Truth:
    """The labels of predicted images; it counts how often each class was predicted as each class.

    Attributes:
        labels: of the images that have one, a class index or a label map each.
        row_of: name of a predicted image → its row in ``labels``.
        images: predicted images that have been counted.
        notes: sentences on labels that could not be used.
    """

    benchmark: Benchmark
    labels: Labels
    row_of: Mapping[str, int]
    notes: list[str] = field(default_factory=list)
    images: int = 0

    def __post_init__(self) -> None:
        size = len(self.benchmark.classes)
        self._confusion = np.zeros((size, size), np.int64)

    def count(self, name: str, predicted: LabelMap | int) -> None:
        """Count one prediction, a class index or a label map, if the image has a label that can be read."""
        if name not in self.row_of:
            return
        try:
            label = self.labels[self.row_of[name]]
        except UserError as error:
            self.notes.append(f"the label of {name} was left out: {error}")
            return
        size = len(self.benchmark.classes)
        self._confusion += metrics.confusion_matrix(label, predicted, size, self.benchmark.ignore_index)
        self.images += 1

    @property
    def scores(self) -> Scores | None:
        """The scores of what has been counted; None if nothing has."""
        if not self._confusion.sum():
            return None
        return metrics.scores(self._confusion, self.benchmark.classes, self.benchmark.task == "segmentation")


class CountedRows(AbstractContextManager["CountedRows"]):
    """A sink of rows that counts the predictions, too."""

    def __init__(self, sink: RowSink, truth: Truth) -> None:
        self.sink, self.truth = sink, truth

    def __enter__(self) -> CountedRows:
        self.sink.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.sink.__exit__(kind, error, trace)

    def write(self, names: Sequence[str], probabilities: NDArray[np.float32]) -> None:
        """Write the rows of some images, and count their classes."""
        self.sink.write(names, probabilities)
        for name, row in zip(names, probabilities, strict=True):
            self.truth.count(name, int(row.argmax()))


@dataclass
class CountedMaps:
    """A sink of label maps that counts the predictions, too."""

    sink: MapSink
    truth: Truth

    def write(self, name: str, labels: LabelMap) -> None:
        """Write the label map of an image, and count its pixels."""
        self.sink.write(name, labels)
        self.truth.count(name, labels)


def read_truth(path: Path, card: NetworkCard, images: Sequence[NamedImage], root: Path) -> Truth:
    """Read the labels of images that are to be predicted.

    Args:
        path: relative to the current folder, else to the data root. What a pair's ``target.labelled`` may be: a table
            ``path,class`` (``path,mask`` for label maps), or a folder like that of a labelled domain. Images in a table
            are relative to the folder that is predicted, else to the data root.
        card: of the network that predicts.
        images: what it predicts.
        root: the data root.

    Raises:
        UserError: the labels cannot be read, or no image has one.
    """
    pair = _pair(card.benchmark)
    path = _found(path.expanduser(), root).resolve()
    labels, labelled, notes = (
        _of_folder(pair, path) if path.is_dir() else _of_table(pair, path, _folder_of(images), root)
    )
    rows = {one.resolve(): row for row, one in enumerate(labelled)}
    row_of = {image.name: rows[real] for image in images if (real := image.path.resolve()) in rows}
    if not row_of:
        raise UserError(
            f"--truth {path} labels none of the images to predict (its first is {labelled[0]}); name the labels of"
            " these images"
        )
    without, unused = len(images) - len(row_of), len(rows) - len(row_of)
    notes += [f"{without:,} images to predict have no label in {path.name}"] if without else []
    notes += [f"{unused:,} labels in {path.name} are of images that are not predicted"] if unused else []
    return Truth(card.benchmark, labels, row_of, notes)


def _found(path: Path, root: Path) -> Path:
    """The path under the current folder, else under the data root.

    Raises:
        UserError: it is in neither; names both.
    """
    places = list(dict.fromkeys([path.absolute(), (root / path).absolute()]))
    for place in places:
        if place.exists():
            return place
    raise UserError(
        f"--truth {path} is not there: {' and '.join(map(str, places))} {'is' if len(places) == 1 else 'are'} missing; "
        "it takes a CSV file or a labelled folder, in the current folder or in --root"
    )


def _pair(benchmark: Benchmark) -> PairFile:
    """The pair's file where it is here, with other names of classes and values of masks; else what the card says.

    Raises:
        UserError: the file here has other classes than the network.
    """
    if plugins.composed(benchmark.name) in plugins.names("benchmark"):
        file = plugins.path("benchmark", benchmark.name)
        if file.suffix == ".yaml":
            pair = _pair_file.read(file)
            if tuple(pair.classes) != benchmark.classes:
                raise UserError(f"{file} has other classes than the network, which has {', '.join(benchmark.classes)}")
            return pair
    return PairFile.model_validate({
        "task": benchmark.task, "source": "unknown", "target": {"images": "unknown"},
        "classes": list(benchmark.classes), "image_size": benchmark.image_size,
    })  # fmt: skip


def _of_folder(pair: PairFile, path: Path) -> tuple[Labels, list[Path], list[str]]:
    found = read_labelled(pair, _pair_target.domain_of_labels(pair), path.name, path.parent, every_class=False)
    return found.labels, [path.parent / one for one in found.ids], []


def _of_table(pair: PairFile, path: Path, folder: Path, root: Path) -> tuple[Labels, list[Path], list[str]]:
    if pair.task == "segmentation":
        masks = _pair_table.read_masks(path, str(folder), root)
        ids = [image for image, _ in masks.rows]
        domain = _pair_target.domain_of_labels(pair)
        maps = label_maps(pair, domain, ImageFiles(root, ids), [mask for _, mask in masks.rows])
        return maps, [root / one for one in ids], masks.notes
    names = {composed(name): None for name in pair.leave_out} | index_of_name(pair)
    classes = _pair_table.read_classes(path, str(folder), root, names, list(pair.classes))
    labels = np.array([label for _, label in classes.rows], dtype=np.int64)
    return labels, [root / image for image, _ in classes.rows], classes.notes


def _folder_of(images: Sequence[NamedImage]) -> Path:
    """The folder that the first image's name is relative to."""
    path, parts = images[0].path.absolute(), Path(images[0].name).parts
    return path.parent if Path(images[0].name).is_absolute() else Path(*path.parts[: -len(parts)])
