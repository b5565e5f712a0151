"""Read the target of a user's pair, which may have labels everywhere, for some of its images, or nowhere."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from dta_bench.benchmarks import _pair_list, _pair_table
from dta_bench.benchmarks._pair_labels_of_folders import (
    index_of_name,
    label_maps,
    missing_classes,
    read_labelled,
    spelled_on_disk,
)
from dta_bench.domains.file_names import composed
from dta_bench.domains.file_tree import DataFolder, read_tree
from dta_bench.domains.image_files import ImageFiles
from dta_bench.domains.images import LabelledImages, UnlabelledImages
from dta_bench.errors import UserError

if TYPE_CHECKING:
    from dta_bench.benchmarks._pair_file import DomainFolder, PairFile


def has_no_labels(file: PairFile, root: Path) -> bool:
    """Whether the target's images have no labels: the pair says so, or their folder holds images and no class.

    A folder of label maps has no labels if it holds images itself and neither the folder of images nor that of masks.
    """
    target = file.target
    if not target.folder:
        return True
    folder = root / spelled_on_disk(root, target.folder)
    if target.list or not folder.is_dir():
        return False
    inside = {composed(path.name) for path in folder.iterdir() if path.is_dir()}
    if file.task == "segmentation":
        if (folder / target.images).is_dir() or (folder / target.masks).is_dir():
            return False
    elif inside & set(index_of_name(file)):
        return False
    return any("/" not in path for path in read_tree(folder).images())


def has_test(file: PairFile, root: Path) -> bool | None:
    """Whether there is a labelled target test: one of its own, or part of a labelled target; None: no data say so."""
    if file.target.test:
        return True
    if file.target.folder and not (root / spelled_on_disk(root, file.target.folder)).is_dir():
        return None
    return not has_no_labels(file, root)


def read_target(file: PairFile, root: Path) -> tuple[LabelledImages | UnlabelledImages, LabelledImages | None]:
    """The target's images, and those of its labelled test where that has a folder of its own.

    Raises:
        UserError: images are missing, or the pair asks for labels that are not there.
    """
    without_labels = has_no_labels(file, root)
    target: LabelledImages | UnlabelledImages
    if without_labels:
        target = read_unlabelled(file, root)
    else:
        target = read_labelled(file, file.target, file.target.folder, root)
        if file.labels is None and not file.target.labelled:
            raise UserError(
                f"{root / file.target.folder} has labels, and the pair does not say how many of them may be used to "
                "choose a configuration: say labels: 100, or labels: 0 for none"
            )
    test = read_test(file, root)
    if test is None and without_labels and file.labels:
        raise UserError(
            f"labels is {file.labels}, but the images in {root / file.target.path} have no labels that a subset could "
            "be drawn from: leave labels out, or label some images (dta-bench label) and name them as target.labelled"
        )
    return target, test


def read_test(file: PairFile, root: Path) -> LabelledImages | None:
    """The labelled test that has a folder of its own; None if the pair names none.

    Raises:
        UserError: the folder is missing, or what lies in it cannot be understood.
    """
    if not file.target.test:
        return None
    every_class = not has_no_labels(file, root)
    return read_labelled(file, domain_of_labels(file), file.target.test, root, every_class=every_class)


def domain_of_labels(file: PairFile) -> DomainFolder:
    """How images and labels are found in the folders of the labelled test and of the labelled subset."""
    if file.target.folder:
        return file.target
    of_images = type(file.target).model_fields["images"]
    return file.target.model_copy(update={"images": of_images.default})


def unlabelled_folders(file: PairFile, root: Path) -> list[DataFolder]:
    """The folder of the images without labels, for the count of its files."""
    path = root / spelled_on_disk(root, file.target.path)
    folder, unused = (path, "left_out") if path.is_dir() else (path.parent, "not_listed")
    return [DataFolder(folder, unused, frozenset(map(composed, file.leave_out)))]


def folder_of_images(file: PairFile, root: Path) -> str:
    """The folder that the target's images lie in, relative to the data root; that of the list where they are listed."""
    path = spelled_on_disk(root, file.target.path)
    if (root / path).is_dir():
        return path
    return str(PurePosixPath(path).parent)


def read_unlabelled(file: PairFile, root: Path) -> UnlabelledImages:
    """The target's images without labels.

    Raises:
        UserError: they are missing, or their list cannot be understood.
    """
    path, folder = spelled_on_disk(root, file.target.path), folder_of_images(file, root)
    if (root / path).is_dir():
        left_out = set(map(composed, file.leave_out))
        found = [one for one in read_tree(root / path).images() if composed(one.split("/")[0]) not in left_out]
    elif (root / path).is_file():
        found = _pair_list.read_paths(root / path, root / folder)
    else:
        raise UserError(f"{root / path} is missing: put the images of the target there, or a list of them")
    if not found:
        raise UserError(f"{root / path} has no image")
    ids = [_join(folder, one) for one in found]
    return UnlabelledImages(ImageFiles(root, ids, file.target.bits), ids)


def read_given_subset(file: PairFile, root: Path) -> tuple[LabelledImages | None, list[str]]:
    """The labelled subset that the pair names, and sentences on what was left out of it; None if it names none.

    Raises:
        UserError: it is missing or cannot be understood.
    """
    if not file.target.labelled:
        return None, []
    path = spelled_on_disk(root, file.target.labelled)
    domain = domain_of_labels(file)
    if (root / path).is_dir():
        return read_labelled(file, domain, path, root, every_class=False), []
    folder = folder_of_images(file, root)
    if file.task == "segmentation":
        masks = _pair_table.read_masks(root / path, folder, root)
        ids = [image for image, _ in masks.rows]
        images = ImageFiles(root, ids, domain.bits)
        maps = label_maps(file, domain, images, [mask for _, mask in masks.rows])
        return LabelledImages(images, maps, ids), masks.notes
    names = {composed(name): None for name in file.leave_out} | index_of_name(file)
    classes = _pair_table.read_classes(root / path, folder, root, names, list(file.classes))
    ids = [image for image, _ in classes.rows]
    labels = np.array([label for _, label in classes.rows], dtype=np.int64)
    return LabelledImages(ImageFiles(root, ids, domain.bits), labels, ids), classes.notes


def notes_on(
    file: PairFile, target: LabelledImages | UnlabelledImages, test: LabelledImages | None, given: LabelledImages | None
) -> list[str]:
    """What a user should know of the labels that are there, a sentence each."""
    notes = []
    for name, images in (("target test", test), ("the labelled subset", given)):
        if images is not None and isinstance(images.labels, np.ndarray) and (
            missing := missing_classes(file, images.labels)
        ):  # fmt: skip
            notes.append(
                f"{name} has no image of {_pair_list.listed(missing)}: it is measured on the other classes; if the "
                "target lacks the class altogether, this is partial adaptation, which is not handled"
            )
    if isinstance(target, LabelledImages):
        return notes
    if test is not None and (shared := set(test.ids) & set(target.ids)):
        notes.append(f"{len(shared)} images of target test are in target train too, which is trained on without labels")
    if test is not None and file.labels:
        notes.append(
            f"target train has no labels: the labelled subset of {file.labels} is drawn from target test and left out "
            "of it"
        )
    return notes


def _join(folder: str, path: str) -> str:
    return path if folder == "." else f"{folder}/{path}"
