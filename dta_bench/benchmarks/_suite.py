"""Read the domains of a suite, and make the four sets of one of its pairs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from dta_bench.benchmarks import _suite_arrays
from dta_bench.benchmarks._pair_labels_of_folders import read_labelled, spelled_on_disk
from dta_bench.benchmarks._splits import domains_in_memory, hold_out_share, hold_out_share_per_class
from dta_bench.benchmarks._suite_file import SuiteFile, SuitePair
from dta_bench.domains.data_fingerprint import fingerprint
from dta_bench.domains.file_names import composed
from dta_bench.domains.file_tree import DataFolder
from dta_bench.domains.images import Domains, Item, LabelledImages, SelectedItems
from dta_bench.domains.label_maps import fingerprint_entries
from dta_bench.errors import UserError

SPLIT_SEED = 0


@dataclass(frozen=True)
class DomainParts:
    """A domain's train part and test part; with the protocol ``transductive`` both are all of it.

    Attributes:
        entries: (path, label) of each of its files, for the fingerprint; empty for images in memory.
    """

    train: LabelledImages
    test: LabelledImages
    entries: frozenset[tuple[str, str]] = frozenset()

    @property
    def all(self) -> LabelledImages:
        """All images of the domain, each once."""
        return self.train if self.test is self.train else joined([self.train, self.test])


def folder_of(suite: str, root: Path) -> Path:
    """The folder that a suite's domains lie in: that of its name under the data root, else the data root."""
    return root / suite if (root / suite).is_dir() else root


def missing(file: SuiteFile, domain: str, root: Path) -> str:
    """What is missing of a domain's data, in words; empty if they are there.

    Args:
        root: as :func:`folder_of` gives it.
    """
    one = file.domains[domain]
    if one.reader:
        absent = _suite_arrays.missing_files(one.reader, root)
        return f"{root / one.reader} lacks {', '.join(absent)}" if absent else ""
    folder = root / spelled_on_disk(root, one.folder)
    if not folder.is_dir():
        return f"{folder} is missing"
    lists = [name for name in (one.list, one.test_list) if name and not (folder / name).is_file()]
    return f"{folder} lacks {', '.join(lists)}" if lists else ""


def read_domain(file: SuiteFile, domain: str, root: Path) -> DomainParts:
    """List the images of a domain in its two parts.

    A drawn split depends on the domain alone, whatever its role in a pair.

    Raises:
        UserError: its data are missing, or cannot be understood.
    """
    one = file.domains[domain]
    if absent := missing(file, domain, root):
        raise UserError(f"the domain {domain}: {absent}")
    if one.reader:
        return DomainParts(*_suite_arrays.READERS[one.reader](root))
    if file.protocol == "lists":
        return _as_listed(file, domain, root)
    images = read_labelled(file.reading, one, one.folder, root)
    entries = frozenset(fingerprint_entries(images))
    if file.protocol == "transductive":
        return DomainParts(images, images, entries)
    return DomainParts(*_hold_out(file, images, file.test_share), entries)


def load(suite: str, file: SuiteFile, pair: SuitePair, root: Path) -> Domains:
    """Make the four sets of a pair.

    Args:
        suite: the suite's name.
        file: states the suite.
        pair: one of its pairs.
        root: the data root.

    Raises:
        UserError: a domain is missing, or what lies in it cannot be understood.
    """
    folder = folder_of(suite, root)
    parts = {name: read_domain(file, name, folder) for name in (*file.sources_of(pair), pair.target)}
    held_out = [_hold_out(file, parts[name].train, file.validation_share) for name in file.sources_of(pair)]
    target = parts[pair.target]
    train, validation = joined([one for one, _ in held_out]), joined([one for _, one in held_out])
    return Domains(train, validation, target.train, target.test, fingerprint_of(file, parts, folder))


def folders(suite: str, file: SuiteFile, names: Sequence[str], root: Path) -> list[DataFolder]:
    """The folders that the images and masks of some domains lie in, for the count of their files."""
    found: list[DataFolder] = []
    base = folder_of(suite, root)
    for one in (file.domains[name] for name in names if not file.domains[name].reader):
        folder = base / spelled_on_disk(base, one.folder)
        if file.task == "segmentation":
            found += [DataFolder(folder / one.images, "without_mask"), DataFolder(folder / one.masks, "unused_masks")]
        elif one.list:
            found.append(DataFolder(folder, "not_listed"))
        else:
            found.append(DataFolder(folder, "in_no_class", frozenset(map(composed, file.leave_out))))
    return found


def joined(sets: Sequence[LabelledImages]) -> LabelledImages:
    """Several sets one after the other; a single one as it is."""
    if len(sets) == 1:
        return sets[0]
    images = Joined([one.images for one in sets])
    ids = [name for one in sets for name in one.ids]
    if all(isinstance(one.labels, np.ndarray) for one in sets):
        return LabelledImages(images, np.concatenate([np.asarray(one.labels) for one in sets]), ids)
    maps: list[Sequence[NDArray[np.uint8]]] = [one.labels for one in sets if not isinstance(one.labels, np.ndarray)]
    return LabelledImages(images, Joined(maps), ids)


class Joined(SelectedItems[Item]):
    """The items of several sequences, one sequence after the other."""

    def __init__(self, sequences: Sequence[Sequence[Item]]) -> None:
        super().__init__(sequences[0], range(sum(map(len, sequences))))
        self._sequences = sequences
        self._starts = np.cumsum([0, *map(len, sequences)])

    def locate(self, index: int) -> tuple[Sequence[Item], int]:
        """The sequence that an item comes from, and the item's index there."""
        which = int(np.searchsorted(self._starts, index, side="right")) - 1
        return self._sequences[which], index - int(self._starts[which])

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> SelectedItems[Item]: ...
    def __getitem__(self, index: int | slice) -> Item | SelectedItems[Item]:
        if isinstance(index, slice):
            return SelectedItems(self, range(len(self))[index])
        sequence, within = self.locate(range(len(self))[index])
        return sequence[within]


def _as_listed(file: SuiteFile, domain: str, root: Path) -> DomainParts:
    """A domain whose parts two lists state."""
    one = file.domains[domain]
    train, test = (
        read_labelled(file.reading, one.model_copy(update={"list": name}), one.folder, root, every_class=is_train)
        for name, is_train in ((one.list, True), (one.test_list, False))
    )  # DomainNet's test list of paintings lacks a class
    if shared := set(train.ids) & set(test.ids):
        raise UserError(
            f"{one.list} and {one.test_list} of the domain {domain} share {len(shared)} images, such as {min(shared)}; "
            "an image is in one part alone (protocol: transductive has all in both)"
        )
    marked = {
        (path, f"{label} {part}") for part, images in (("train", train), ("test", test))
        for path, label in fingerprint_entries(images)
    }  # fmt: skip
    return DomainParts(train, test, frozenset(marked))


def _hold_out(file: SuiteFile, images: LabelledImages, share: float) -> tuple[LabelledImages, LabelledImages]:
    draw = hold_out_share if file.task == "segmentation" else hold_out_share_per_class
    return draw(images, share, SPLIT_SEED)


def fingerprint_of(file: SuiteFile, parts: Mapping[str, DomainParts], folder: Path) -> str:
    """Identify the data of some domains, both parts of each, whatever their roles."""
    entries = frozenset(entry for one in parts.values() for entry in one.entries)
    marks = [fingerprint(folder, entries)] if entries else []
    in_memory = [name for name in parts if file.domains[name].reader]
    marks += [domains_in_memory(*[parts[name].train, parts[name].test] * 2).fingerprint for name in in_memory]
    return marks[0] if len(marks) == 1 else hashlib.sha256(" ".join(marks).encode()).hexdigest()
