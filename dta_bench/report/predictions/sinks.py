"""Where predictions go as they are made: CSV, Parquet, or a folder of label maps."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, TextIO

import numpy as np
from numpy.typing import NDArray

from dta_bench.errors import UserError
from dta_bench.evaluation import scenes
from dta_bench.evaluation.label_map_predictions import LabelMap
from dta_bench.report.predictions.images_to_predict import NamedImage

if TYPE_CHECKING:
    import pyarrow

SUFFIXES = (".csv", ".parquet")


class RowSink(AbstractContextManager["RowSink"], Protocol):
    """Takes a row an image; what it wrote is there only after the ``with`` block has ended without an error."""

    def write(self, names: Sequence[str], probabilities: NDArray[np.float32]) -> None:
        """Write the rows of some images, with their probabilities (n, K)."""


class MapSink(Protocol):
    """Takes a label map an image."""

    def write(self, name: str, labels: LabelMap) -> None:
        """Write the label map of an image."""


def columns_of(classes: Sequence[str], probabilities: bool) -> list[str]:
    """The names of a row's columns."""
    return ["path", "class", "probability", *(f"p_{name}" for name in classes if probabilities)]


def printable(name: str) -> str:
    """A file's name as UTF-8 can hold it; bytes that are none are written as ``\\xNN``."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


class CsvRows:
    """CSV on a stream.

    Args:
        stream: an open text stream.
        classes: names of the classes.
        probabilities: whether each class has a column.
    """

    def __init__(self, stream: TextIO, classes: Sequence[str], probabilities: bool) -> None:
        self._table = csv.writer(stream, lineterminator="\n")
        self._classes, self._probabilities = classes, probabilities
        self._table.writerow(columns_of(classes, probabilities))

    def __enter__(self) -> CsvRows:
        return self

    def __exit__(self, *_: object) -> None:
        """The stream is its owner's to close."""

    def write(self, names: Sequence[str], probabilities: NDArray[np.float32]) -> None:
        """Write the rows of some images."""
        for name, row in zip(names, probabilities, strict=True):
            best = int(row.argmax())
            further = [f"{value:.6f}" for value in row] if self._probabilities else []
            self._table.writerow([printable(name), self._classes[best], f"{row[best]:.6f}", *further])


class FileRows:
    """CSV or Parquet in a file, by its suffix; the file takes its place when it is complete."""

    def __init__(self, path: Path, classes: Sequence[str], probabilities: bool) -> None:
        if path.suffix not in SUFFIXES or path.is_dir():
            raise UserError(f"--to {path} is no file that rows go to; it takes a name that ends in .csv or .parquet")
        self._path, self._unfinished = path, path.with_name(f".{path.name}.unfinished")
        self._classes, self._probabilities = classes, probabilities
        self._stream: TextIO | None = None
        self._rows: Any = None

    def __enter__(self) -> FileRows:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if self._path.suffix == ".csv":
                self._stream = self._unfinished.open("w", encoding="utf-8", newline="")
                self._rows = CsvRows(self._stream, self._classes, self._probabilities)
            else:
                self._rows = _ParquetRows(self._unfinished, self._classes, self._probabilities)
        except OSError as error:
            raise UserError(
                f"{self._path} cannot be written ({error.strerror}); name another file with --to"
            ) from error
        return self

    def write(self, names: Sequence[str], probabilities: NDArray[np.float32]) -> None:
        """Write the rows of some images."""
        self._rows.write(names, probabilities)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._rows.__exit__(kind, error, trace)
        if self._stream is not None:
            self._stream.close()
        if kind is None:
            self._unfinished.replace(self._path)
        else:
            self._unfinished.unlink(missing_ok=True)


class _ParquetRows:
    """Rows in a Parquet file: ``path`` and ``class`` are text, all others float32."""

    def __init__(self, path: Path, classes: Sequence[str], probabilities: bool) -> None:
        import pyarrow
        from pyarrow import parquet

        self._classes, self._probabilities = classes, probabilities
        text, number = pyarrow.string(), pyarrow.float32()
        columns = columns_of(classes, probabilities)
        self._schema = pyarrow.schema([(name, text if name in columns[:2] else number) for name in columns])
        self._writer = parquet.ParquetWriter(path, self._schema)

    def write(self, names: Sequence[str], probabilities: NDArray[np.float32]) -> None:
        self._writer.write_table(self._table(names, probabilities))

    def _table(self, names: Sequence[str], probabilities: NDArray[np.float32]) -> pyarrow.Table:
        import pyarrow

        best = probabilities.argmax(axis=1)
        of_class = [self._classes[index] for index in best]
        further = list(probabilities.T) if self._probabilities else []
        columns = [[printable(name) for name in names], of_class, probabilities.max(axis=1), *further]
        arrays = [pyarrow.array(column, field.type) for column, field in zip(columns, self._schema, strict=True)]
        return pyarrow.Table.from_arrays(arrays, schema=self._schema)

    def __exit__(self, *_: object) -> None:
        self._writer.close()


class MapFolder:
    """Label maps as indexed PNG files with a palette: a pixel holds the index of its class.

    A file has its image's name with the suffix ``.png``; where two images differ in their suffix alone, ``.png`` is
    put behind it.

    Raises:
        UserError: the folder cannot be written to, or a map would take the place of an image.
    """

    def __init__(self, folder: Path, images: Sequence[NamedImage], classes: Sequence[str]) -> None:
        if folder.is_file():
            raise UserError(f"--to {folder} is a file; label maps go to a folder")
        self._files = {image.name: folder / name for image, name in zip(images, _file_names(images), strict=True)}
        sources = {image.path.resolve() for image in images}
        taken = [file for file in self._files.values() if file.resolve() in sources]
        if taken:
            raise UserError(f"the label map {taken[0]} would take the place of an image; name another folder with --to")
        self._palette = scenes.palette(classes).ravel().tolist()

    def write(self, name: str, labels: LabelMap) -> None:
        """Write the label map of an image."""
        from PIL import Image

        picture = Image.fromarray(labels, mode="P")
        picture.putpalette(self._palette)
        file = self._files[name]
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            picture.save(file)
        except OSError as error:
            raise UserError(f"{file} cannot be written ({error.strerror}); name another folder with --to") from error


def _file_names(images: Sequence[NamedImage]) -> list[str]:
    """The file of each label map, relative to the folder; one for an image outside its folder has its last part alone.

    Raises:
        UserError: two images would have one.
    """
    paths = [Path(image.name) for image in images]
    paths = [Path(path.name) if path.is_absolute() or ".." in path.parts else path for path in paths]
    with_stem = Counter(path.with_suffix("") for path in paths)
    names = [
        str(path.with_suffix(".png") if with_stem[path.with_suffix("")] == 1 else path.with_name(f"{path.name}.png"))
        for path in paths
    ]
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise UserError(f"two images would have the label map {repeated[0]}; predict their folders one by one")
    return names
