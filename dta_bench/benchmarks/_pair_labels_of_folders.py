"""Read one labelled domain of a user's pair: folders of classes, a list, or images with masks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dta_bench.benchmarks import _pair_list
from dta_bench.benchmarks._pair_list import listed
from dta_bench.benchmarks._pair_masks import pair_masks
from dta_bench.domains.file_names import NamesOnDisk, composed
from dta_bench.domains.file_tree import is_junk, list_images, read_trees
from dta_bench.domains.image_files import ImageFiles
from dta_bench.domains.images import LabelledImages
from dta_bench.domains.label_maps import Colours, LabelMaps
from dta_bench.errors import UserError
from dta_bench.spec import yaml_file

if TYPE_CHECKING:
    from dta_bench.benchmarks._pair_file import DomainFolder, PairFile

IGNORED = 255


def spelled_on_disk(root: Path, path: str) -> str:
    """A folder or file as it is spelled on disk; as given where there is none."""
    return path if (root / path).exists() else NamesOnDisk(root).find(path) or path


def read_labelled(
    file: PairFile, domain: DomainFolder, folder: str, root: Path, *, every_class: bool = True
) -> LabelledImages:
    """List the images of a folder with their labels.

    Args:
        file: the pair.
        domain: says how labels are found in the folder.
        folder: the folder, as the pair has it.
        root: the data root.
        every_class: whether a class without an image is refused.

    Raises:
        UserError: the folder is missing, or what lies in it cannot be understood.
    """
    folder = spelled_on_disk(root, folder)
    if not (root / folder).is_dir():
        raise UserError(
            f"{root / folder} is missing: put the images of the domain {folder!r} there, or name their root"
        )
    if file.task == "segmentation":
        return _with_masks(file, domain, folder, root)
    entries = _from_list(file, domain, root / folder) if domain.list else _from_folders(file, folder, root)
    paths = [f"{folder}/{path}" for path, _ in entries]
    labels = np.array([label for _, label in entries], dtype=np.int64)
    _check_has_classes(file, labels, root / folder, every_class)
    return LabelledImages(ImageFiles(root, paths, domain.bits), labels, paths)


def _from_folders(file: PairFile, folder: str, root: Path) -> list[tuple[str, int]]:
    """(path, class index) of every image in the folders of every class."""
    names, left_out = index_of_name(file), set(map(composed, file.leave_out))
    found = sorted(path.name for path in (root / folder).iterdir() if path.is_dir())
    of_classes = [name for name in found if composed(name) in names and name[0] != "."]
    unknown = [name for name in found if composed(name) not in {*names, *left_out} and not is_junk(name)]
    if unknown:
        raise UserError(
            f"{root / folder} has folders that are no class: {listed(unknown)}"
            f"{yaml_file.suggestion(unknown[0], names)} "
            f"Classes: {', '.join(file.classes)}. Give a folder's name beside its class (dog: [hund]) or in leave_out"
        )
    trees = read_trees([root / folder / name for name in of_classes])
    return [
        (f"{name}/{path}", names[composed(name)])
        for name, tree in zip(of_classes, trees, strict=True)
        for path in tree.images()
    ]


def _from_list(file: PairFile, domain: DomainFolder, folder: Path) -> list[tuple[str, int]]:
    """(path, class index) of the images of a list file, in its order; a class is given as a name or an index."""
    names = {composed(name): None for name in file.leave_out} | index_of_name(file)
    return _pair_list.read(folder / str(domain.list), folder, names, list(file.classes))


def _with_masks(file: PairFile, domain: DomainFolder, folder: str, root: Path) -> LabelledImages:
    """Every image with its mask, which has the same name but for the suffixes that the pair states."""
    images, masks = root / folder / domain.images, root / folder / domain.masks
    for path, what in ((images, "images"), (masks, "masks")):
        if not path.is_dir():
            raise UserError(
                f"{path} is missing: put the {what} there, or say what their folder is called ({what}: ...)"
            )
    pairs = pair_masks(
        images, masks,
        file.image_suffix if domain.image_suffix is None else domain.image_suffix,
        file.mask_suffix if domain.mask_suffix is None else domain.mask_suffix,
    )  # fmt: skip
    names = [f"{folder}/{domain.images}/{image}" for image, _ in pairs]
    image_files = ImageFiles(root, names, domain.bits)
    maps = [f"{folder}/{domain.masks}/{mask}" for _, mask in pairs]
    return LabelledImages(image_files, label_maps(file, domain, image_files, maps), names)


def label_maps(file: PairFile, domain: DomainFolder, images: ImageFiles, paths: list[str]) -> LabelMaps:
    """The masks of some images, read as the pair says what their numbers or colours stand for."""
    values = domain.values or file.values
    known = None if values else np.isin(np.arange(256), [*range(len(file.classes)), IGNORED])
    return LabelMaps(images, paths, _class_of_number(file, domain), _class_of_colour(file, domain), IGNORED, known)


def _class_of_number(file: PairFile, domain: DomainFolder) -> NDArray[np.uint8]:
    """The class index of each number in a mask, (256,): as ``values`` says, ignoring others, or the number."""
    values = domain.values or file.values
    if values is None:
        return np.arange(256, dtype=np.uint8)
    table = np.full(256, IGNORED, dtype=np.uint8)
    for index, name in enumerate(file.classes):
        table[list(values.get(name, ()))] = index
    return table


def _class_of_colour(file: PairFile, domain: DomainFolder) -> Colours | None:
    """The class index of each colour, if the masks are in colours."""
    colours = domain.colours or (None if domain.values else file.colours)
    order = list(file.classes)
    return None if colours is None else {colour: order.index(name) for name, colour in colours.items()}


def missing_classes(file: PairFile, labels: NDArray[np.int64]) -> list[str]:
    """The classes that no label is of."""
    present = set(labels.tolist())
    return [name for index, name in enumerate(file.classes) if index not in present]


def _check_has_classes(file: PairFile, labels: NDArray[np.int64], folder: Path, every_class: bool) -> None:
    missing = missing_classes(file, labels)
    if not len(labels) and (unlabelled := list_images(folder)):
        raise UserError(
            f"{folder} has {len(unlabelled)} images, but none with a label (none lies in the folder of a class or is "
            "listed with one): put each image into the folder of its class "
            f"({', '.join(file.classes)}), or give a list; only the target's images may lie there without labels"
        )
    if missing and (every_class or not len(labels)):
        raise UserError(
            f"{folder} has no image of {listed(missing)}; both domains need every class (partial adaptation is not "
            "handled): give the name that it has there beside the class, or take the class out of classes and into "
            "leave_out"
        )


def index_of_name(file: PairFile) -> dict[str, int]:
    """Composed name → class index, for every name of every class."""
    return {composed(name): i for i, (one, others) in enumerate(file.classes.items()) for name in (one, *others)}
