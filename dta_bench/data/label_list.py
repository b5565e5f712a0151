"""The list of target images that a user is to label: drawn, written with an empty column, and read back."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dta_bench import plugins
from dta_bench.benchmarks import _pair_file, _pair_table, _pair_target
from dta_bench.benchmarks._pair_labels_of_folders import index_of_name
from dta_bench.data.splits import in_stratified_order
from dta_bench.domains.file_names import composed
from dta_bench.domains.images import UnlabelledImages
from dta_bench.errors import UserError


@dataclass(frozen=True)
class LabelTask:
    """A pair whose target has no labels, and the images that may be labelled.

    Attributes:
        folder: of the target's images, relative to the data root; the paths in a list are relative to it.
        column: what the user fills in: ``class``, or ``mask`` for segmentation.
        images: target train without the images of target test.
    """

    benchmark: str
    pair: _pair_file.PairFile
    root: Path
    folder: str
    column: str
    images: UnlabelledImages

    def path_in_list(self, image: str) -> str:
        """An image's id as a list has it."""
        return image if self.folder == "." else image.removeprefix(f"{self.folder}/")


@dataclass(frozen=True)
class DrawnList:
    """How a list was drawn; it stands beside the list as JSON.

    Attributes:
        drawn: ``random``, or ``predicted``: each class has the share that it has of the predictions.
        run: the identity of the run whose predictions were used.
        of: how many images it was drawn from.
    """

    benchmark: str
    budget: int
    drawn: str
    seed: int
    run: str | None
    of: int
    paths: tuple[str, ...]


@dataclass(frozen=True)
class FilledList:
    """What a list holds when it is read back.

    Attributes:
        counts: class → rows; with masks, ``mask`` → rows.
        empty: rows without a class or mask.
        notes: what was left out, and how the rows differ from those that were drawn.
    """

    counts: Mapping[str, int]
    empty: int
    notes: Sequence[str]


def label_task(benchmark: str, root: Path) -> LabelTask:
    """The images of a pair that may be labelled.

    Raises:
        UserError: it is no pair of the user's own, or its target has labels already, or images are missing.
    """
    file = plugins.path("benchmark", benchmark)
    if file.suffix != ".yaml" or plugins.suite_of(benchmark):
        raise UserError(f"{benchmark} has labels of its own; label is for a pair of your own whose target has none")
    pair = _pair_file.read(file)
    if not _pair_target.has_no_labels(pair, root):
        raise UserError(
            f"the target of {benchmark} has labels already (or its images are missing): say labels: 100 in {file} to "
            "choose by 100 of them"
        )
    images = _pair_target.read_unlabelled(pair, root)
    test = _pair_target.read_test(pair, root)
    if test is not None:
        images = images.without(set(test.ids))
    folder, column = _pair_target.folder_of_images(pair, root), "mask" if pair.task == "segmentation" else "class"
    return LabelTask(benchmark, pair, root, folder, column, images)


def without_labelled(task: LabelTask) -> LabelTask:
    """The same task without the images that the pair's own labelled subset holds already."""
    given, _ = _pair_target.read_given_subset(task.pair, task.root)
    labelled = set(given.ids) if given is not None else set()
    return dataclasses.replace(task, images=task.images.without(labelled))


def draw(task: LabelTask, budget: int, seed: int, predicted: Mapping[str, int] | None, run: str | None) -> DrawnList:
    """Draw the images to label, at random or with each predicted class by its share.

    Args:
        predicted: image id → predicted class; None draws at random.
        run: the run that predicted.

    Raises:
        UserError: there are fewer images, or some were not predicted.
    """
    ids = list(task.images.ids)
    if budget > len(ids):
        raise UserError(f"--budget is {budget}, but {len(ids)} images of the target may be labelled; ask for fewer")
    order = np.random.default_rng(seed).permutation(len(ids)).astype(np.int64)
    if predicted is not None:
        if lacking := [one for one in ids if one not in predicted]:
            raise UserError(
                f"run {run} predicted other images: {len(lacking)} of today's are not among them, such as {lacking[0]};"
                " sweep again, or draw at random"
            )
        order = in_stratified_order(order, np.array([predicted[one] for one in ids], dtype=np.int64))
    paths = sorted(task.path_in_list(ids[i]) for i in order[:budget])
    how = "random" if predicted is None else "predicted"
    return DrawnList(task.benchmark, budget, how, seed, run, len(ids), tuple(paths))


def write(drawn: DrawnList, column: str, path: Path) -> None:
    """Write the list with an empty column, and how it was drawn beside it.

    Raises:
        UserError: the folder cannot be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8", errors="surrogateescape", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(["path", column])
            table.writerows([one, ""] for one in drawn.paths)
        record_of(path).write_text(json.dumps(vars(drawn), indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}; name another file with --to") from error


def record_of(path: Path) -> Path:
    """The JSON file beside a list that says how it was drawn."""
    return path.with_suffix(".json")


def read_record(path: Path) -> dict[str, Any] | None:
    """How a list was drawn; None if nothing beside it says so."""
    try:
        found = json.loads(record_of(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def read_back(task: LabelTask, path: Path) -> FilledList:
    """Read a list that the user has filled in, as a sweep will.

    Raises:
        UserError: a row names no file or no class, an image stands twice, or no row is filled in.
    """
    pair = task.pair
    if task.column == "mask":
        masks = _pair_table.read_masks(path, task.folder, task.root)
        counts, found, notes = {"mask": len(masks.rows)}, [image for image, _ in masks.rows], masks.notes
    else:
        names = {composed(name): None for name in pair.leave_out} | index_of_name(pair)
        rows = _pair_table.read_classes(path, task.folder, task.root, names, list(pair.classes))
        per_class = Counter(list(pair.classes)[label] for _, label in rows.rows)
        counts, found = {name: per_class[name] for name in pair.classes}, [image for image, _ in rows.rows]
        missing = [name for name, count in counts.items() if not count]
        notes = [*rows.notes, *([f"no labelled image of {', '.join(missing)}"] if missing else [])]
    if record := read_record(path):
        drawn = set(record.get("paths", ()))
        added = [one for one in found if task.path_in_list(one) not in drawn]
        if added:
            notes = [*notes, f"{len(added)} rows were not drawn but added, such as {added[0]}"]
    empty = _pair_table.count_empty(path, task.column)
    return FilledList(counts, empty, notes)
