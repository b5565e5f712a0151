"""How each class fared after each measured epoch: a small CSV file, beside a run's checkpoint until the run ends."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

FOLDER, NAME = "curves", "classes.csv"
FILE = f"{FOLDER}/{NAME}"
"""Where it lies among a run's artifacts."""
CONFUSION = "confusion.csv"
"""Where the confusion matrix of target test lies among them."""


@dataclass(frozen=True)
class ClassRow:
    """One class after one epoch; shares in percent.

    Attributes:
        images: of the labelled subset that hold the class; None where there is no such subset, as the next three.
        score: recall on the subset, of label maps the IoU; None for a class that is not in it.
        taken_for: the class that most of its wrong images, or pixels, are predicted as; empty where none is wrong.
        taken: which share of all its images, or pixels, these are.
        predicted: the share of the predictions on target train that is of the class.
    """

    epoch: int
    name: str
    images: int | None
    score: float | None
    taken_for: str
    taken: float | None
    predicted: float


@dataclass(frozen=True)
class ClassCurves:
    """The rows of a run, by ascending epoch; ``metric`` is what their score is, ``recall`` or ``iou``."""

    metric: str = "recall"
    rows: list[ClassRow] = field(default_factory=list)

    def of_class(self, name: str) -> list[ClassRow]:
        """The rows of one class."""
        return [row for row in self.rows if row.name == name]

    @property
    def names(self) -> list[str]:
        """The classes, in order."""
        return list(dict.fromkeys(row.name for row in self.rows))


class ClassRecord:
    """The file of a run that trains: it is written anew with each measured epoch, and read again after a restart.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._header = ""
        self._epochs: dict[int, str] | None = None

    def add(self, rows: Sequence[ClassRow], metric: str) -> None:
        """Add the rows of an epoch, in place of those that an earlier start wrote of it and of later ones."""
        epoch = rows[0].epoch
        kept = {known: text for known, text in self._known().items() if known < epoch}
        self._epochs, self._header = kept | {epoch: _csv(rows)}, _header(metric)
        unfinished = self._path.with_name(f"{self._path.name}.writing")
        with contextlib.suppress(OSError):  # a full disk: the text is stored all the same, only a crash could lose it
            self._path.parent.mkdir(parents=True, exist_ok=True)
            unfinished.write_text(self.text(), encoding="utf-8")
            unfinished.replace(self._path)

    def text(self) -> str:
        """The whole file; empty where no epoch was measured."""
        blocks = self._known().values()
        return "".join([self._header, *blocks]) if blocks else ""

    def discard(self) -> None:
        """Remove the file, which the run's artifacts hold now."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _known(self) -> dict[int, str]:
        if self._epochs is None:
            found = read_file(self._path) or ClassCurves()
            self._header, self._epochs = _header(found.metric), {}
            for epoch in dict.fromkeys(row.epoch for row in found.rows):
                self._epochs[epoch] = _csv(row for row in found.rows if row.epoch == epoch)
        return self._epochs


def path_in(folder: Path, run_id: str) -> Path:
    """Where the record of a run that trains lies; its identity may be what a server says, and is no path."""
    return folder / f"{run_id.replace('/', '_')}.{NAME}"


def read_file(path: Path) -> ClassCurves | None:
    """The rows of such a file; None where there is none, or it is something else."""
    try:
        return read(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def read(text: str) -> ClassCurves:
    """The rows of the text of such a file.

    Raises:
        ValueError: it is something else.
    """
    header, *lines = csv.reader(io.StringIO(text))
    if {len(line) for line in (header, *lines)} != {len(_columns(""))} or header != _columns(header[3]):
        raise ValueError("the columns are not those of a record of classes")
    return ClassCurves(header[3], [_row(*line) for line in lines])


def _row(epoch: str, name: str, images: str, score: str, taken_for: str, taken: str, predicted: str) -> ClassRow:
    return ClassRow(
        int(epoch), name, int(images) if images else None, float(score) if score else None, taken_for,
        float(taken) if taken else None, float(predicted),
    )  # fmt: skip


def _columns(metric: str) -> list[str]:
    return ["epoch", "class", "images", metric, "taken_for", "taken", "predicted"]


def _header(metric: str) -> str:
    return ",".join(_columns(metric)) + "\n"


def _csv(rows: Iterable[ClassRow]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        [row.epoch, row.name, _spell(row.images), _spell(row.score), row.taken_for, _spell(row.taken),
         _spell(row.predicted)]
        for row in rows
    )  # fmt: skip
    return text.getvalue()


def _spell(value: float | None) -> str:
    """A number with as many digits as a share needs; empty for what is not known."""
    return "" if value is None else f"{value:.6g}"
