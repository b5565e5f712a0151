"""Small synthetic trees in the exact layouts of real data sets. Nothing here is an image of anything."""

from __future__ import annotations

import bz2
import pickle
import struct
from pathlib import Path

import cv2
import numpy as np
import scipy.io
from PIL import Image

A_CLASS = 60  # images of each class in a part, more than a held-out set takes


def shade(label: int) -> int:
    """The grey value that every pixel of a drawn image of class ``label`` has."""
    return 20 * label + 15


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def visda(root: Path, classes: tuple[str, ...], per_class: int = 3, size: tuple[int, int] = (20, 30)) -> None:
    """root/visda/{train,validation}/image_list.txt with noise images of ``size`` (height, width)."""
    rng = np.random.default_rng(0)
    for part, suffix in (("train", "png"), ("validation", "jpg")):
        lines = []
        for label, name in enumerate(classes):
            for i in range(per_class):
                save(root / "visda" / part / name / f"{i}.{suffix}", rng.integers(0, 256, (*size, 3), dtype=np.uint8))
                lines.append(f"{name}/{i}.{suffix} {label}\n")
        (root / "visda" / part / "image_list.txt").write_text("".join(lines))


def gta5(root: Path, label_ids: np.ndarray, count: int = 3) -> None:
    """root/gta5/{images,labels}: label maps are palette files whose indices are ``label_ids``."""
    rng = np.random.default_rng(1)
    for i in range(1, count + 1):
        save(root / f"gta5/images/{i:05d}.png", rng.integers(0, 256, (*label_ids.shape, 3), dtype=np.uint8))
        labels = Image.fromarray(label_ids, mode="P")
        labels.putpalette(rng.integers(0, 256, 768, dtype=np.uint8).tolist())
        path = root / f"gta5/labels/{i:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        labels.save(path)


def cityscapes(root: Path, labels: np.ndarray, kind: str = "labelIds", count: int = 2) -> None:
    """root/cityscapes/{leftImg8bit,gtFine}/{train,val}/<city>/, label maps being grey files of ``kind``."""
    rng = np.random.default_rng(2)
    for part, city in (("train", "aachen"), ("val", "frankfurt")):
        for i in range(count):
            stem = f"{part}/{city}/{city}_{i:06d}_000019"
            pixels = rng.integers(0, 256, (*labels.shape, 3), dtype=np.uint8)
            save(root / "cityscapes/leftImg8bit" / f"{stem}_leftImg8bit.png", pixels)
            save(root / "cityscapes/gtFine" / f"{stem}_gtFine_{kind}.png", labels)


def _flat(side: int, channels: int) -> tuple[np.ndarray, np.ndarray]:
    labels = np.tile(np.arange(10), A_CLASS)
    shades = np.array([shade(label) for label in labels], dtype=np.uint8)
    return np.broadcast_to(shades[:, None, None, None], (len(labels), side, side, channels)).copy(), labels


def svhn(folder: Path) -> None:
    images, labels = _flat(32, 3)
    stored = np.where(labels == 0, 10, labels)  # SVHN calls the digit 0 class 10
    for part in ("train", "test"):
        scipy.io.savemat(folder / f"{part}_32x32.mat", {"X": images.transpose(1, 2, 3, 0), "y": stored[:, None]})


def mnist(folder: Path) -> None:
    images, labels = _flat(28, 1)
    raw = folder / "MNIST/raw"
    raw.mkdir(parents=True)
    for part in ("train", "t10k"):
        header = struct.pack(">IIII", 0x803, len(images), 28, 28)
        (raw / f"{part}-images-idx3-ubyte").write_bytes(header + images.tobytes())
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(
            struct.pack(">II", 0x801, len(labels)) + labels.astype(np.uint8).tobytes()
        )


def usps(folder: Path) -> None:
    images, labels = _flat(16, 1)
    rows = [
        f"{label + 1} " + " ".join(f"{i + 1}:{value:.6f}" for i, value in enumerate(image.ravel() / 127.5 - 1 + 1e-3))
        for image, label in zip(images, labels, strict=True)
    ]
    for name in ("usps.bz2", "usps.t.bz2"):
        (folder / name).write_bytes(bz2.compress("\n".join(rows).encode()))


def stl10(folder: Path) -> None:
    images, labels = _flat(96, 3)
    (folder / "stl10_binary").mkdir()
    stored = images.transpose(0, 3, 2, 1)  # the files hold columns first
    for part in ("train", "test"):
        (folder / f"stl10_binary/{part}_X.bin").write_bytes(stored.tobytes())
        (folder / f"stl10_binary/{part}_y.bin").write_bytes((labels + 1).astype(np.uint8).tobytes())
    (folder / "stl10_binary/unlabeled_X.bin").write_bytes(b"")


def cifar10(folder: Path) -> None:
    images, labels = _flat(32, 3)
    base = folder / "cifar-10-batches-py"
    base.mkdir()
    data = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
    for part in np.array_split(np.arange(len(images)), 5):
        number = len(list(base.glob("data_batch_*"))) + 1
        _pickle(base / f"data_batch_{number}", {"data": data[part], "labels": labels[part].tolist()})
    _pickle(base / "test_batch", {"data": data, "labels": labels.tolist()})
    _pickle(base / "batches.meta", {"label_names": [str(i) for i in range(10)]})


def _pickle(path: Path, content: dict[str, object]) -> None:
    path.write_bytes(pickle.dumps(content))


def unreadable(path: Path) -> None:
    """Cut an image file off after its first bytes."""
    path.write_bytes(path.read_bytes()[:20])
    assert cv2.imread(str(path)) is None


def full_size_road_scenes(root: Path, source: int, target: int) -> None:
    """GTA5 and Cityscapes trees of drawn streets at the owners' image sizes: ``source`` and twice ``target`` images."""
    from dta_bench.benchmarks import _road_scenes, _street_paint, _street_scenes

    ids = np.zeros(256, dtype=np.uint8)  # 0 is "unlabeled" in Cityscapes' table
    ids[: len(_street_scenes.CLASSES)] = [_road_scenes.LABEL_IDS[name] for name in _street_scenes.CLASSES]

    def scene(seed: int, size: tuple[int, int], paint: object) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(seed)
        street = _street_scenes.draw(rng)
        image = cv2.resize(paint(street, rng), size, interpolation=cv2.INTER_LINEAR)  # type: ignore[operator]
        return image, cv2.resize(ids[street.labels], size, interpolation=cv2.INTER_NEAREST)

    for i in range(1, source + 1):
        image, labels = scene(i, (1914, 1052), _street_paint.flat)
        save(root / f"gta5/images/{i:05d}.png", image)
        picture = Image.fromarray(labels, mode="P")
        picture.putpalette(bytes(range(256)) * 3)
        (root / "gta5/labels").mkdir(parents=True, exist_ok=True)
        picture.save(root / f"gta5/labels/{i:05d}.png")
    for part, city in (("train", "aachen"), ("val", "frankfurt")):
        for i in range(target):
            stem = f"{part}/{city}/{city}_{i:06d}_000019"
            image, labels = scene(100 + i + 50 * (part == "val"), (2048, 1024), _street_paint.textured)
            save(root / "cityscapes/leftImg8bit" / f"{stem}_leftImg8bit.png", image)
            save(root / "cityscapes/gtFine" / f"{stem}_gtFine_labelIds.png", labels)
