"""Read the five small sets of Table 1 with torchvision; both sets of a pair get one size (French et al. 2018)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dta_bench.benchmarks._splits import domains_in_memory, hold_out_per_class
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
"""The files in each set's folder under the data root; torchvision needs STL-10's unlabelled part too."""

TORCHVISION = {"svhn": "SVHN", "mnist": "MNIST", "usps": "USPS", "stl10": "STL10", "cifar10": "CIFAR10"}
Arrays = tuple[NDArray[np.uint8], NDArray[np.int64]]


def domains(source: tuple[LabelledImages, LabelledImages], target: tuple[LabelledImages, LabelledImages]) -> Domains:
    """Make the four sets of a pair.

    50 images of each class of the source's train part become source validation; the source's test part is not used.

    Args:
        source: the train and test parts of the source.
        target: the train and test parts of the target, which become target train and target test.
    """
    return domains_in_memory(*hold_out_per_class(source[0], 50, seed=0), *target)


def files(root: Path, *names: str) -> list[Path]:
    """Where the files of these sets lie under the data root; finding that out imports nothing."""
    return [root / name / file for name in names for file in FILES[name]]


def archives(*names: str) -> list[Archive]:
    """The files of these sets to download, with the URLs and MD5s that torchvision has."""
    from torchvision import datasets

    return [one for name in names for one in _archives(name, getattr(datasets, TORCHVISION[name]))]


def _archives(name: str, dataset: Any) -> list[Archive]:
    if name in ("svhn", "usps"):
        parts = [dataset.split_list[part] for part in ("train", "test")]
        return [Archive(url, f"{name}/{file}", md5, gives={f"{name}/{file}": md5}) for url, file, md5 in parts]
    if name == "mnist":
        raw, mirror = "mnist/MNIST/raw", dataset.mirrors[0]
        return [
            Archive(mirror + file, f"{raw}/{file}", md5, "gzip", gives={f"{raw}/{file.removesuffix('.gz')}": ""})
            for file, md5 in dataset.resources
        ]
    files = dict([*dataset.train_list, *dataset.test_list])
    if name == "cifar10":
        files[dataset.meta["filename"]] = dataset.meta["md5"]
    gives = {f"{name}/{dataset.base_folder}/{file}": md5 for file, md5 in files.items()}
    return [Archive(dataset.url, f"{name}/{dataset.filename}", dataset.tgz_md5, "tar", name, gives)]


def _without_md5_check(dataset: Any) -> Any:
    """torchvision's class without its MD5 check, which takes seconds at each start; ``prepare`` compares MD5s.

    CIFAR-10 keeps the check: its files are pickles, which could run code, and only the MD5s show that they are its
    owner's.
    """
    return type(dataset.__name__, (dataset,), {"_check_integrity": lambda _: True})


def svhn(root: Path) -> tuple[LabelledImages, LabelledImages]:
    """SVHN's street numbers, (train, test), 32 x 32 RGB."""

    def read(datasets: Any, folder: Path, train: bool) -> Arrays:
        dataset = _without_md5_check(datasets.SVHN)(folder, split="train" if train else "test")
        return dataset.data.transpose(0, 2, 3, 1), np.asarray(dataset.labels, dtype=np.int64)

    return _both_parts(root, "svhn", read)


def mnist(root: Path, padding: int = 0) -> tuple[LabelledImages, LabelledImages]:
    """MNIST's handwritten digits, (train, test), 28 x 28 grey, with ``padding`` zeros added on each side."""

    def read(datasets: Any, folder: Path, train: bool) -> Arrays:
        dataset = datasets.MNIST(folder, train=train)
        padded = np.pad(dataset.data.numpy(), ((0, 0), (padding, padding), (padding, padding)))
        return padded[..., None], dataset.targets.numpy()

    return _both_parts(root, "mnist", read)


def usps(root: Path) -> tuple[LabelledImages, LabelledImages]:
    """USPS' digits from envelopes, (train, test), 16 x 16 grey, enlarged bilinearly to 28 x 28."""

    def read(datasets: Any, folder: Path, train: bool) -> Arrays:
        dataset = datasets.USPS(folder, train=train)
        return _resized(dataset.data[..., None], 28), np.asarray(dataset.targets, dtype=np.int64)

    return _both_parts(root, "usps", read)


def stl(root: Path) -> tuple[LabelledImages, LabelledImages]:
    """STL-10's labelled parts without the monkeys, (train, test), 96 x 96 RGB, shrunk to 32 x 32 by means of 3 x 3."""

    def read(datasets: Any, folder: Path, train: bool) -> Arrays:
        dataset = _without_md5_check(datasets.STL10)(folder, split="train" if train else "test")
        return _nine_classes(_resized(dataset.data.transpose(0, 2, 3, 1), 32), dataset.labels, STL_ORDER)

    return _both_parts(root, "stl10", read)


def cifar(root: Path) -> tuple[LabelledImages, LabelledImages]:
    """CIFAR-10 without the frogs, (train, test), 32 x 32 RGB."""

    def read(datasets: Any, folder: Path, train: bool) -> Arrays:
        dataset = datasets.CIFAR10(folder, train=train)
        return _nine_classes(dataset.data, dataset.targets, CIFAR_ORDER)

    return _both_parts(root, "cifar10", read)


def _both_parts(root: Path, name: str, read: Any) -> tuple[LabelledImages, LabelledImages]:
    """Read the train and test parts of the set in ``root/name``.

    Raises:
        UserError: a file is missing or cannot be read.
    """
    for file in FILES[name]:
        require_path(root / name / file, f"put {', '.join(FILES[name])} into {root / name}")
    from torchvision import datasets

    try:
        train, test = (read(datasets, root / name, part) for part in (True, False))
    except Exception as error:  # a damaged file raises any of many errors of pickle, scipy and numpy
        reason = f"{type(error).__name__}: {error}"
        raise UserError(
            f"{root / name} cannot be read, a file of it is damaged or another version: {reason}"
        ) from error
    return _labelled(f"{name}/train", *train), _labelled(f"{name}/test", *test)


def _labelled(name: str, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> LabelledImages:
    return LabelledImages(list(images), labels, [f"{name}/{i:05d}" for i in range(len(images))])


def _nine_classes(images: NDArray[np.uint8], labels: Any, order: tuple[str, ...]) -> Arrays:
    """The images of the nine classes that CIFAR-10 and STL-10 share, with labels that index ``NINE_CLASSES``.

    ``order`` is the set's own ten classes.
    """
    renumbered = np.array([NINE_CLASSES.index(name) if name in NINE_CLASSES else -1 for name in order])
    new_labels = renumbered[np.asarray(labels, dtype=np.int64)]
    return images[new_labels >= 0], new_labels[new_labels >= 0]


def _resized(images: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    import cv2

    interpolation = cv2.INTER_AREA if images.shape[1] > side else cv2.INTER_LINEAR
    resized = [cv2.resize(image, (side, side), interpolation=interpolation) for image in images]
    return np.stack(resized).reshape(len(images), side, side, -1)
