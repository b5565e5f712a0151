"""Read a user's own pair: its folders and lists of images, split into the sets of a benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dta_bench.benchmarks import _pair_target
from dta_bench.benchmarks._pair_labels_of_folders import read_labelled, spelled_on_disk
from dta_bench.benchmarks._splits import hold_out_share, hold_out_share_per_class
from dta_bench.domains.data_fingerprint import fingerprint
from dta_bench.domains.file_names import composed
from dta_bench.domains.file_tree import DataFolder
from dta_bench.domains.images import Domains, LabelledImages
from dta_bench.domains.label_maps import fingerprint_entries, unlabelled_entries

if TYPE_CHECKING:
    from dta_bench.benchmarks._pair_file import DomainFolder, PairFile


def load(file: PairFile, root: Path) -> Domains:
    """List the images of the sets of a pair; an image is read when it is asked for.

    Args:
        file: states the pair.
        root: the data root, which the pair's folders are relative to.

    Raises:
        UserError: a folder is missing or empty, a class has no image in a domain, or a folder of a domain is no class;
            says what is there.
    """
    hold_out = hold_out_share if file.task == "segmentation" else hold_out_share_per_class
    source = read_labelled(file, file.source, file.source.folder, root)
    target, test = _pair_target.read_target(file, root)
    entries = set(fingerprint_entries(source))
    if isinstance(target, LabelledImages):
        entries |= set(fingerprint_entries(target))
    else:
        entries |= set(unlabelled_entries(target))
    if test is not None:
        entries |= set(fingerprint_entries(test))
    elif isinstance(target, LabelledImages):
        target, test = hold_out(target, file.test_share, seed=0)
    given, notes = _pair_target.read_given_subset(file, root)
    if given is not None:
        entries |= {(path, f"given {label}") for path, label in fingerprint_entries(given)}
    notes += _pair_target.notes_on(file, target, test, given)
    return Domains(
        *hold_out(source, file.validation_share, seed=0), target, test, fingerprint(root, entries),
        labelled=given, notes=tuple(notes),
    )  # fmt: skip


def folders(file: PairFile, root: Path) -> list[DataFolder]:
    """The folders that the pair's images and masks lie in, for the count of their files."""
    found = _folders_of(file, file.source, root / spelled_on_disk(root, file.source.folder))
    if _pair_target.has_no_labels(file, root):
        found += _pair_target.unlabelled_folders(file, root)
    else:
        found += _folders_of(file, file.target, root / spelled_on_disk(root, file.target.folder))
    domain = _pair_target.domain_of_labels(file)
    for folder in (file.target.test, file.target.labelled):
        if folder and (path := root / spelled_on_disk(root, folder)).is_dir():
            found += _folders_of(file, domain, path)
    return list({one.path.resolve(): one for one in found}.values())


def _folders_of(file: PairFile, domain: DomainFolder, folder: Path) -> list[DataFolder]:
    if file.task == "segmentation":
        return [DataFolder(folder / domain.images, "without_mask"), DataFolder(folder / domain.masks, "unused_masks")]
    if domain.list:
        return [DataFolder(folder, "not_listed")]
    return [DataFolder(folder, "in_no_class", frozenset(map(composed, file.leave_out)))]
