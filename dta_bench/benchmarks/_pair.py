"""The images of a user's own pair: a folder a class, image lists, or images with masks; classes matched by name."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dta_bench.benchmarks._splits import hold_out_share, hold_out_share_of_each
from dta_bench.domains.image_files import ImageFiles, fingerprint, list_images, stays_inside_folder
from dta_bench.domains.images import Domains, LabelledImages
from dta_bench.domains.label_maps import Colours, LabelMaps, fingerprint_entries
from dta_bench.errors import UserError
from dta_bench.spec import yaml_file

if TYPE_CHECKING:
    from dta_bench.benchmarks._pair_file import PairFile, Side

IGNORED = 255
NAMED = 5


def load(file: PairFile, root: Path) -> Domains:
    """The four sets of the pair; nothing but names is read.

    Raises:
        UserError: a folder is missing or empty, a class is in neither name of a domain, or a folder of a domain is no
            class; says what there is.
    """
    source = _side(file, file.source, file.source.folder, root)
    target = _side(file, file.target, file.target.folder, root)
    apart = _side(file, file.target, file.target.test, root) if file.target.test else None
    hold_out = hold_out_share if file.task == "segmentation" else hold_out_share_of_each
    train, test = (target, apart) if apart else hold_out(target, file.test_share, seed=0)
    entries = {entry for images in (source, target, apart) if images for entry in fingerprint_entries(images)}
    return Domains(*hold_out(source, file.validation_share, seed=0), train, test, fingerprint(root, entries))


def _side(file: PairFile, side: Side, folder: str, root: Path) -> LabelledImages:
    if not (root / folder).is_dir():
        raise UserError(
            f"{root / folder} is missing: put the images of the domain {folder!r} there, or name their root"
        )
    if file.task == "segmentation":
        return _with_masks(file, side, folder, root)
    found = _from_list(file, side, folder, root) if side.list else _from_folders(file, folder, root)
    paths = [f"{folder}/{path}" for path, _ in found]
    labels = np.array([label for _, label in found], dtype=np.int64)
    _insist_on_every_class(file, labels, root / folder)
    return LabelledImages(ImageFiles(root, paths), labels, paths)


def _from_folders(file: PairFile, folder: str, root: Path) -> list[tuple[str, int]]:
    """Every image of every class's folders."""
    names = _index_of(file)
    inside = sorted(path.name for path in (root / folder).iterdir() if path.is_dir() and path.name[0] != ".")
    unknown = [name for name in inside if name not in names and name not in file.leave_out]
    if unknown:
        raise UserError(
            f"{root / folder} has folders that are no class: {_some(unknown)}{yaml_file.guess(unknown[0], names)} "
            f"Classes: {', '.join(file.classes)}. Give a folder's name beside its class (dog: [hund]) or in leave_out"
        )
    return [
        (f"{name}/{path}", names[name])
        for name in inside
        if name in names
        for path in list_images(root / folder / name)
    ]


def _from_list(file: PairFile, side: Side, folder: str, root: Path) -> list[tuple[str, int]]:
    """The images that a list names, in its order; a class is a name or an index."""
    source = root / folder / str(side.list)
    try:
        lines = source.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{source} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    entries = [_entry(line, f"{source} line {number}", file) for number, line in enumerate(lines, 1) if line.strip()]
    kept = [(path, label) for path, label in entries if label is not None]
    twice = [path for path, count in Counter(path for path, _ in kept).items() if count > 1]
    if twice:
        raise UserError(f"{source} names {_some(twice)} more than once; allowed: once")
    return kept


def _entry(line: str, where: str, file: PairFile) -> tuple[str, int | None]:
    path, _, word = line.strip().rpartition(" ")
    path, names = path.strip(), _index_of(file)
    if not stays_inside_folder(path):
        raise UserError(f"{where} is {line.strip()!r}; expected a relative path within its folder, then a class")
    if word in names or word in file.leave_out:
        return path, names.get(word)
    if word.isascii() and word.isdigit() and int(word) < len(file.classes):
        return path, int(word)
    raise UserError(
        f"{where} has the class {word!r}{yaml_file.guess(word, names)}; "
        f"allowed: {', '.join(file.classes)}, or an index 0..{len(file.classes) - 1}"
    )


def _with_masks(file: PairFile, side: Side, folder: str, root: Path) -> LabelledImages:
    """Every image with the mask of the same name, whatever the suffixes."""
    images, masks = root / folder / side.images, root / folder / side.masks
    for path, what in ((images, "images"), (masks, "masks")):
        if not path.is_dir():
            raise UserError(
                f"{path} is missing: put the {what} there, or say what their folder is called ({what}: ...)"
            )
    by_stem = {str(Path(path).with_suffix("")): path for path in list_images(masks)}
    found = list_images(images)
    without = [path for path in found if str(Path(path).with_suffix("")) not in by_stem]
    if without or not found:
        what = f"{_some(without)} without a mask of the same name in {masks}" if without else "no image"
        raise UserError(f"{images} has {what}")
    names = [f"{folder}/{side.images}/{path}" for path in found]
    lazy = ImageFiles(root, names)
    maps = [f"{folder}/{side.masks}/{by_stem[str(Path(path).with_suffix(''))]}" for path in found]
    stated = side.values or file.values
    known = None if stated else np.isin(np.arange(256), [*range(len(file.classes)), IGNORED])
    labels = LabelMaps(lazy, maps, _table(file, side), _colours(file, side), IGNORED, known)
    return LabelledImages(lazy, labels, names)


def _table(file: PairFile, side: Side) -> NDArray[np.uint8]:
    """The class of each number in a mask: as stated, all others ignored; if nothing is stated, itself."""
    stated = side.values or file.values
    if stated is None:
        return np.arange(256, dtype=np.uint8)
    table = np.full(256, IGNORED, dtype=np.uint8)
    for index, name in enumerate(file.classes):
        table[list(stated.get(name, ()))] = index
    return table


def _colours(file: PairFile, side: Side) -> Colours | None:
    stated = side.colours or (None if side.values else file.colours)
    order = list(file.classes)
    return None if stated is None else {colour: order.index(name) for name, colour in stated.items()}


def _insist_on_every_class(file: PairFile, labels: NDArray[np.int64], folder: Path) -> None:
    there = set(labels.tolist())
    empty = [name for index, name in enumerate(file.classes) if index not in there]
    if empty:
        raise UserError(
            f"{folder} has no image of {_some(empty)}; both domains need every class: give the name that it has there "
            "beside the class, or take the class out of classes and into leave_out"
        )


def _index_of(file: PairFile) -> dict[str, int]:
    return {name: i for i, (one, others) in enumerate(file.classes.items()) for name in (one, *others)}


def _some(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
