"""The five small sets of Table 1, read by torchvision and brought to one size a pair (French et al. 2018)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dta_bench.benchmarks._splits import hold_out, in_memory
from dta_bench.domains.download import Archive
from dta_bench.domains.image_files import require_path
from dta_bench.domains.images import Domains, LabelledImages
from dta_bench.errors import UserError

TEN_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
NINE_CLASSES = ("airplane", "car", "bird", "cat", "deer", "dog", "horse", "ship", "truck")
CIFAR_ORDER = ("airplane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
STL_ORDER = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")
SPLITS_STATED = "source validation = 50 images a class of the source's train part, drawn by seed 0; target train and "
SPLITS_STATED += "test = the target's own parts"

FILES = {
    "svhn": ("train_32x32.mat", "test_32x32.mat"),
    "mnist": tuple(
        f"MNIST/raw/{part}-{what}-ubyte" for part in ("train", "t10k") for what in ("images-idx3", "labels-idx1")
    ),
    "usps": ("usps.bz2", "usps.t.bz2"),
    "stl10": tuple(f"stl10_binary/{name}.bin" for name in ("train_X", "train_y", "test_X", "test_y", "unlabeled_X")),
    "cifar10": tuple(
        f"cifar-10-batches-py/{name}"
        for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch", "batches.meta")
    ),
}
"""What each set's folder under the root must hold; torchvision wants STL-10's unlabelled part too."""

TORCHVISION = {"svhn": "SVHN", "mnist": "MNIST", "usps": "USPS", "stl10": "STL10", "cifar10": "CIFAR10"}
Arrays = tuple[NDArray[np.uint8], NDArray[np.int64]]


def domains(source: tuple[LabelledImages, LabelledImages], target: tuple[LabelledImages, LabelledImages]) -> Domains:
    """From the (train, test) of each: the source's test part stays unused, the target's is target test."""
    return in_memory(*hold_out(source[0], 50, seed=0), *target)


def archives(*names: str) -> list[Archive]:
    """What gives the sets of these names: files and MD5s as torchvision publishes them."""
    from torchvision import datasets

    return [one for name in names for one in _archives(name, getattr(datasets, TORCHVISION[name]))]


def _archives(name: str, found: Any) -> list[Archive]:
    if name in ("svhn", "usps"):
        parts = [found.split_list[part] for part in ("train", "test")]
        return [Archive(url, f"{name}/{file}", md5, gives={f"{name}/{file}": md5}) for url, file, md5 in parts]
    if name == "mnist":
        raw, mirror = "mnist/MNIST/raw", found.mirrors[0]
        return [
            Archive(mirror + file, f"{raw}/{file}", md5, "gzip", gives={f"{raw}/{file.removesuffix('.gz')}": ""})
            for file, md5 in found.resources
        ]
    files = dict([*found.train_list, *found.test_list])
    if name == "cifar10":
        files[found.meta["filename"]] = found.meta["md5"]
    gives = {f"{name}/{found.base_folder}/{file}": md5 for file, md5 in files.items()}
    return [Archive(found.url, f"{name}/{found.filename}", found.tgz_md5, "tar", name, gives)]


def _unchecked(kind: Any) -> Any:
    """torchvision's class without its MD5s, which take seconds at each start; ``prepare`` compares them.

    Not for CIFAR-10: its files are pickles, which could run code, and only their MD5s say whose they are.
    """
    return type(kind.__name__, (kind,), {"_check_integrity": lambda _: True})


def svhn(root: Path) -> tuple[LabelledImages, LabelledImages]:
    """Street numbers (train, test), 32 px RGB."""

    def read(sets: Any, folder: Path, train: bool) -> Arrays:
        found = _unchecked(sets.SVHN)(folder, split="train" if train else "test")
        return found.data.transpose(0, 2, 3, 1), np.asarray(found.labels, dtype=np.int64)

    return _both_parts(root, "svhn", read)


def mnist(root: Path, padding: int = 0) -> tuple[LabelledImages, LabelledImages]:
    """Handwritten digits (train, test), 28 px grey, with ``padding`` zeros added on each side."""

    def read(sets: Any, folder: Path, train: bool) -> Arrays:
        found = sets.MNIST(folder, train=train)
        padded = np.pad(found.data.numpy(), ((0, 0), (padding, padding), (padding, padding)))
        return padded[..., None], found.targets.numpy()

    return _both_parts(root, "mnist", read)


def usps(root: Path) -> tuple[LabelledImages, LabelledImages]:
    """Digits from envelopes (train, test), 16 px enlarged to 28 bilinearly, grey."""

    def read(sets: Any, folder: Path, train: bool) -> Arrays:
        found = sets.USPS(folder, train=train)
        return _resized(found.data[..., None], 28), np.asarray(found.targets, dtype=np.int64)

    return _both_parts(root, "usps", read)


def stl(root: Path) -> tuple[LabelledImages, LabelledImages]:
    """STL-10's labelled parts (train, test) less the monkeys, 96 px shrunk to 32 by the mean of 3x3, RGB."""

    def read(sets: Any, folder: Path, train: bool) -> Arrays:
        found = _unchecked(sets.STL10)(folder, split="train" if train else "test")
        return _nine(_resized(found.data.transpose(0, 2, 3, 1), 32), found.labels, STL_ORDER)

    return _both_parts(root, "stl10", read)


def cifar(root: Path) -> tuple[LabelledImages, LabelledImages]:
    """CIFAR-10 (train, test) less the frogs, 32 px RGB."""

    def read(sets: Any, folder: Path, train: bool) -> Arrays:
        found = sets.CIFAR10(folder, train=train)
        return _nine(found.data, found.targets, CIFAR_ORDER)

    return _both_parts(root, "cifar10", read)


def _both_parts(root: Path, name: str, read: Any) -> tuple[LabelledImages, LabelledImages]:
    """Read train and test of ``root/name``.

    Raises:
        UserError: a file is missing or cannot be read.
    """
    for file in FILES[name]:
        require_path(root / name / file, f"put {', '.join(FILES[name])} into {root / name}")
    from torchvision import datasets

    try:
        train, test = (read(datasets, root / name, part) for part in (True, False))
    except Exception as error:  # a torn file ends in any of many errors of pickle, scipy and numpy
        said = f"{type(error).__name__}: {error}"
        raise UserError(f"{root / name} cannot be read, a file of it is torn or another version: {said}") from error
    return _labelled(f"{name}/train", *train), _labelled(f"{name}/test", *test)


def _labelled(name: str, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> LabelledImages:
    return LabelledImages(list(images), labels, [f"{name}/{i:05d}" for i in range(len(images))])


def _nine(images: NDArray[np.uint8], labels: Any, order: tuple[str, ...]) -> Arrays:
    """The images of the nine classes that CIFAR-10 and STL-10 share, re-indexed to ``NINE_CLASSES``."""
    renumbered = np.array([NINE_CLASSES.index(name) if name in NINE_CLASSES else -1 for name in order])
    found = renumbered[np.asarray(labels, dtype=np.int64)]
    return images[found >= 0], found[found >= 0]


def _resized(images: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    import cv2

    interpolation = cv2.INTER_AREA if images.shape[1] > side else cv2.INTER_LINEAR
    found = [cv2.resize(image, (side, side), interpolation=interpolation) for image in images]
    return np.stack(found).reshape(len(images), side, side, -1)
