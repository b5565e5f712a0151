"""Find the mask of each image by their names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from dta_bench.benchmarks._pair_list import listed
from dta_bench.domains.file_names import composed
from dta_bench.domains.file_tree import list_images
from dta_bench.errors import UserError


def pair_masks(images: Path, masks: Path, image_suffix: str = "", mask_suffix: str = "") -> list[tuple[str, str]]:
    """Pair images with masks of the same name, whatever the types of the files.

    Args:
        images: the folder of images.
        masks: the folder of masks, which may be the same.
        image_suffix: the end of an image's name (without its type) that its mask's name lacks.
        mask_suffix: the end of a mask's name (without its type) that its image's name lacks.

    Returns:
        (image, mask) of each image, sorted; paths relative to their folders.

    Raises:
        UserError: an image has no mask or several, or two images have one mask.
    """
    image_paths, mask_paths = list_images(images), list_images(masks)
    if images.resolve() == masks.resolve():
        if not mask_suffix:
            raise UserError(f"{images} holds images and masks; say how masks are called, such as mask_suffix: _mask")
        image_paths = [path for path in image_paths if not _stem(path).endswith(mask_suffix)]
    if not image_paths:
        raise UserError(f"{images} has no image")
    image_paths = [path for path in image_paths if _stem(path).endswith(image_suffix)]
    if not image_paths:
        raise UserError(f"{images} has no image whose name ends in {image_suffix!r}, as image_suffix says")
    masks_of = _by_key(mask_paths, mask_suffix)
    images_of = _by_key(image_paths, image_suffix)
    without = [path for key, paths in images_of.items() if key not in masks_of for path in paths]
    if without:
        hint = "" if mask_suffix else _suffix_hint(without, mask_paths)
        name = f"of the same name and {mask_suffix}" if mask_suffix else "of the same name"
        raise UserError(f"{images} has {listed(sorted(without))} without a mask {name} in {masks}{hint}")
    _refuse_several(images, images_of, "are images of one mask; allowed: one image for each mask")
    _refuse_several(
        masks, {key: masks_of[key] for key in images_of}, "are masks of one image; allowed: one mask for each image"
    )
    return sorted((path, masks_of[key][0]) for key, paths in images_of.items() for path in paths)


def _stem(path: str) -> str:
    """A path without its type, in composed form."""
    return composed(str(PurePosixPath(path).with_suffix("")))


def _by_key(paths: Iterable[str], suffix: str) -> dict[str, list[str]]:
    """Name without type and suffix → the files that have it."""
    files: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        if _stem(path).endswith(suffix):
            files[_stem(path).removesuffix(suffix)].append(path)
    return dict(files)


def _refuse_several(folder: Path, files: dict[str, list[str]], reason: str) -> None:
    several = [" and ".join(sorted(paths)) for paths in files.values() if len(paths) > 1]
    if several:
        raise UserError(f"in {folder}, {listed(sorted(several))} {reason}: rename or remove the others")


def _suffix_hint(without: list[str], mask_paths: list[str]) -> str:
    """What ``mask_suffix`` would find masks, if masks begin with the name of an image."""
    stems = sorted(map(_stem, without), key=len, reverse=True)
    for mask in mask_paths:
        suffix = next((_stem(mask).removeprefix(stem) for stem in stems[:1000] if _stem(mask).startswith(stem)), "")
        if suffix:
            return f"; if {mask} is a mask, say mask_suffix: {suffix}"
    return ""
