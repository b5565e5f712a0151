"""Read a user's own pair: a folder for each class, image lists, or images with masks; classes are matched by name."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dta_bench.benchmarks._splits import hold_out_share, hold_out_share_per_class
from dta_bench.domains.data_fingerprint import fingerprint
from dta_bench.domains.image_files import ImageFiles, list_images, stays_inside_folder
from dta_bench.domains.images import Domains, LabelledImages
from dta_bench.domains.label_maps import Colours, LabelMaps, fingerprint_entries
from dta_bench.errors import UserError
from dta_bench.spec import yaml_file

if TYPE_CHECKING:
    from dta_bench.benchmarks._pair_file import DomainFolder, PairFile

IGNORED = 255
MAX_LISTED = 5  # of many names, so many are listed


def load(file: PairFile, root: Path) -> Domains:
    """List the images of the four sets of a pair; an image is read when it is asked for.

    Args:
        file: states the pair.
        root: the data root, which the pair's folders are relative to.

    Raises:
        UserError: a folder is missing or empty, a class has no image in a domain, or a folder of a domain is no class;
            says what is there.
    """
    source = _read_domain(file, file.source, file.source.folder, root)
    target = _read_domain(file, file.target, file.target.folder, root)
    separate_test = _read_domain(file, file.target, file.target.test, root) if file.target.test else None
    hold_out = hold_out_share if file.task == "segmentation" else hold_out_share_per_class
    train, test = (target, separate_test) if separate_test else hold_out(target, file.test_share, seed=0)
    entries = {entry for images in (source, target, separate_test) if images for entry in fingerprint_entries(images)}
    return Domains(*hold_out(source, file.validation_share, seed=0), train, test, fingerprint(root, entries))


def _read_domain(file: PairFile, domain: DomainFolder, folder: str, root: Path) -> LabelledImages:
    if not (root / folder).is_dir():
        raise UserError(
            f"{root / folder} is missing: put the images of the domain {folder!r} there, or name their root"
        )
    if file.task == "segmentation":
        return _with_masks(file, domain, folder, root)
    entries = _from_list(file, domain, folder, root) if domain.list else _from_folders(file, folder, root)
    paths = [f"{folder}/{path}" for path, _ in entries]
    labels = np.array([label for _, label in entries], dtype=np.int64)
    _check_has_every_class(file, labels, root / folder)
    return LabelledImages(ImageFiles(root, paths), labels, paths)


def _from_folders(file: PairFile, folder: str, root: Path) -> list[tuple[str, int]]:
    """(path, class index) of every image in the folders of every class."""
    names = _index_of_name(file)
    folders = sorted(path.name for path in (root / folder).iterdir() if path.is_dir() and path.name[0] != ".")
    unknown = [name for name in folders if name not in names and name not in file.leave_out]
    if unknown:
        raise UserError(
            f"{root / folder} has folders that are no class: {_listed(unknown)}"
            f"{yaml_file.suggestion(unknown[0], names)} "
            f"Classes: {', '.join(file.classes)}. Give a folder's name beside its class (dog: [hund]) or in leave_out"
        )
    return [
        (f"{name}/{path}", names[name])
        for name in folders
        if name in names
        for path in list_images(root / folder / name)
    ]


def _from_list(file: PairFile, domain: DomainFolder, folder: str, root: Path) -> list[tuple[str, int]]:
    """(path, class index) of the images of a list file, in its order; a class is given as a name or an index."""
    list_file = root / folder / str(domain.list)
    try:
        lines = list_file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{list_file} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    entries = [_entry(line, f"{list_file} line {number}", file) for number, line in enumerate(lines, 1) if line.strip()]
    of_classes = [(path, label) for path, label in entries if label is not None]
    repeated = [path for path, count in Counter(path for path, _ in of_classes).items() if count > 1]
    if repeated:
        raise UserError(f"{list_file} names {_listed(repeated)} more than once; allowed: once")
    return of_classes


def _entry(line: str, where: str, file: PairFile) -> tuple[str, int | None]:
    """Path and class index of a line; None for a class that the pair leaves out."""
    path, _, word = line.strip().rpartition(" ")
    path, names = path.strip(), _index_of_name(file)
    if not stays_inside_folder(path):
        raise UserError(f"{where} is {line.strip()!r}; expected a relative path within its folder, then a class")
    if word in names or word in file.leave_out:
        return path, names.get(word)
    if word.isascii() and word.isdigit() and int(word) < len(file.classes):
        return path, int(word)
    raise UserError(
        f"{where} has the class {word!r}{yaml_file.suggestion(word, names)}; "
        f"allowed: {', '.join(file.classes)}, or an index 0..{len(file.classes) - 1}"
    )


def _with_masks(file: PairFile, domain: DomainFolder, folder: str, root: Path) -> LabelledImages:
    """Every image with the mask of the same name, whatever their suffixes."""
    images, masks = root / folder / domain.images, root / folder / domain.masks
    for path, what in ((images, "images"), (masks, "masks")):
        if not path.is_dir():
            raise UserError(
                f"{path} is missing: put the {what} there, or say what their folder is called ({what}: ...)"
            )
    mask_of_stem = {str(Path(path).with_suffix("")): path for path in list_images(masks)}
    image_paths = list_images(images)
    without_mask = [path for path in image_paths if str(Path(path).with_suffix("")) not in mask_of_stem]
    if without_mask or not image_paths:
        problem = f"{_listed(without_mask)} without a mask of the same name in {masks}" if without_mask else "no image"
        raise UserError(f"{images} has {problem}")
    names = [f"{folder}/{domain.images}/{path}" for path in image_paths]
    image_files = ImageFiles(root, names)
    maps = [f"{folder}/{domain.masks}/{mask_of_stem[str(Path(path).with_suffix(''))]}" for path in image_paths]
    values = domain.values or file.values
    known = None if values else np.isin(np.arange(256), [*range(len(file.classes)), IGNORED])
    labels = LabelMaps(
        image_files, maps, _class_of_number(file, domain), _class_of_colour(file, domain), IGNORED, known
    )
    return LabelledImages(image_files, labels, names)


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


def _check_has_every_class(file: PairFile, labels: NDArray[np.int64], folder: Path) -> None:
    present = set(labels.tolist())
    empty = [name for index, name in enumerate(file.classes) if index not in present]
    if empty:
        raise UserError(
            f"{folder} has no image of {_listed(empty)}; both domains need every class: give the name that it has "
            "there beside the class, or take the class out of classes and into leave_out"
        )


def _index_of_name(file: PairFile) -> dict[str, int]:
    """Name → class index, for every name of every class."""
    return {name: i for i, (one, others) in enumerate(file.classes.items()) for name in (one, *others)}


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return ", ".join(names[:MAX_LISTED]) + more
