"""Read GTA5 and Cityscapes as their owners pack them, with the 19 classes that both have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dta_bench.domains.file_tree import DataFolder, is_junk
from dta_bench.domains.image_files import ImageFiles, require_path
from dta_bench.domains.images import LabelledImages
from dta_bench.domains.label_maps import LabelMaps
from dta_bench.errors import UserError

# Cityscapes' label id of each train id 0..18; every other id is ignored in training and evaluation.
LABEL_IDS = {
    "road": 7, "sidewalk": 8, "building": 11, "wall": 12, "fence": 13, "pole": 17, "traffic light": 19,
    "traffic sign": 20, "vegetation": 21, "terrain": 22, "sky": 23, "person": 24, "rider": 25, "car": 26,
    "truck": 27, "bus": 28, "train": 31, "motorcycle": 32, "bicycle": 33,
}  # fmt: skip
CLASSES = tuple(LABEL_IDS)
IGNORED = 255
BY_HAND = """
Both sets need their owners' licence, so they are yours to get; unpack them so:
  {root}/gta5/images/00001.png .. 24966.png    images and labels, parts 01 to 10, of "Playing for Data":
  {root}/gta5/labels/00001.png .. 24966.png    download.visinf.tu-darmstadt.de/data/from_games; Cityscapes' label ids
  {root}/cityscapes/leftImg8bit/train|val/<city>/*_leftImg8bit.png    leftImg8bit_trainvaltest.zip
  {root}/cityscapes/gtFine/train|val/<city>/*_gtFine_labelIds.png     gtFine_trainvaltest.zip (or *_labelTrainIds.png)
Cityscapes is at cityscapes-dataset.com. Then run the same command again; it verifies them."""
KNOWN_IDS = 35  # 0 to 33 are in Cityscapes' table, and GTA5's palette has 34 too
GTA5 = "put GTA5's images/ and labels/ (PNG, palette files of Cityscapes label ids) into {folder}; they need a login"
CITYSCAPES = "put Cityscapes' leftImg8bit/ and gtFine/ (train and val, by city) into {folder}; they need a login"


def gta5(root: Path) -> LabelledImages:
    """List the images of ``root/gta5/images``, each with the label map of the same name in ``root/gta5/labels``.

    Raises:
        UserError: a folder is missing or empty, or an image has no label map.
    """
    folder = root / "gta5"
    require_path(folder / "images", GTA5.format(folder=folder))
    images = sorted(f"gta5/images/{path.name}" for path in (folder / "images").glob("*.png") if not is_junk(path.name))
    maps = [path.replace("/images/", "/labels/") for path in images]
    return _paired(root, images, maps, from_label_ids(), GTA5.format(folder=folder))


def cityscapes(root: Path, part: str) -> LabelledImages:
    """List the images of ``part`` (``train`` or ``val``) with their label maps.

    The label maps are the files ``*_labelTrainIds.png`` if every image has one, else ``*_labelIds.png``.

    Raises:
        UserError: a folder is missing or empty, or an image has no label map.
    """
    folder = root / "cityscapes"
    instruction = CITYSCAPES.format(folder=folder)
    require_path(folder / "leftImg8bit" / part, instruction)
    paths = (folder / "leftImg8bit" / part).glob("*/*_leftImg8bit.png")
    images = sorted(path.relative_to(root).as_posix() for path in paths if not is_junk(path.name))
    stems = [path.replace("/leftImg8bit/", "/gtFine/").removesuffix("_leftImg8bit.png") for path in images]
    has_train_ids = bool(stems) and all((root / f"{stem}_gtFine_labelTrainIds.png").is_file() for stem in stems)
    suffix, table = ("labelTrainIds", from_train_ids()) if has_train_ids else ("labelIds", from_label_ids())
    return _paired(root, images, [f"{stem}_gtFine_{suffix}.png" for stem in stems], table, instruction)


def folders(root: Path) -> list[DataFolder]:
    """The folders of both sets, for the count of their files."""
    images = [root / "gta5/images", root / "cityscapes/leftImg8bit"]
    maps = [root / "gta5/labels", root / "cityscapes/gtFine"]
    return [DataFolder(folder, "without_mask") for folder in images] + [
        DataFolder(folder, "unused_masks") for folder in maps
    ]


def from_label_ids() -> NDArray[np.uint8]:
    """Cityscapes' train id of each of its label ids, (256,); 255 for those that are ignored."""
    table = np.full(256, IGNORED, dtype=np.uint8)
    table[list(LABEL_IDS.values())] = np.arange(len(LABEL_IDS))
    return table


def from_train_ids() -> NDArray[np.uint8]:
    """A table (256,) that keeps train ids 0..18 and ignores all others (255)."""
    table = np.full(256, IGNORED, dtype=np.uint8)
    table[: len(CLASSES)] = np.arange(len(CLASSES))
    return table


def _paired(
    root: Path, images: list[str], maps: list[str], table: NDArray[np.uint8], instruction: str
) -> LabelledImages:
    if not images:
        raise UserError(f"no image was found under {root}: {instruction}")
    missing = [label_map for label_map in maps if not (root / label_map).is_file()]
    if missing:
        raise UserError(
            f"{root / missing[0]} is missing, as are {len(missing) - 1} others of {len(maps)}: {instruction}"
        )
    files = ImageFiles(root, images)
    known = np.isin(np.arange(256), [*range(KNOWN_IDS), IGNORED])
    return LabelledImages(files, LabelMaps(files, maps, table, known=known), images)
