"""What prepare tells of images that are turned or deep, and of label maps whose values stand for no class."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dta_bench.benchmarks import _pair, _pair_file
from dta_bench.data.verify import inspect
from dta_bench.errors import UserError

COLOURS = {"sky": (70, 130, 180), "road": (128, 64, 128), "car": (0, 0, 142)}
SEGMENTATION = "task: segmentation\nsource: src\ntarget: tgt\nclasses: [sky, road, car]\nimage_size: 32\nlabels: 2\n"
CLASSIFICATION = "source: src\ntarget: {folder: tgt%s}\nclasses: [cat, dog]\nimage_size: 32\nlabels: 2\n"


def inspected(root: Path, text: str) -> dict[str, Any]:
    (root / "mine.yaml").write_text(text)
    file = _pair_file.read(root / "mine.yaml")
    return inspect(_pair_file.benchmark("mine", file), _pair.load(file, root))


def classes_of(number: int) -> np.ndarray:
    rows, columns = np.mgrid[:32, :48]
    labels = (rows * 3 + columns > 60 + 5 * number).astype(np.uint8)
    labels[(columns - 13) ** 2 + (rows - 9) ** 2 < 40] = 2
    return labels


def scenes(root: Path, mask: Any, suffix: str = "png", **options: Any) -> None:
    rng = np.random.default_rng(0)
    for domain in ("src", "tgt"):
        for folder in ("images", "masks"):
            (root / domain / folder).mkdir(parents=True)
        for i in range(6):
            pixels = rng.integers(0, 255, (32, 48, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / domain / "images" / f"{i}.png")
            mask(classes_of(i)).save(root / domain / "masks" / f"{i}.{suffix}", **options)


def coloured(labels: np.ndarray) -> Image.Image:
    return Image.fromarray(np.array(list(COLOURS.values()), dtype=np.uint8)[labels])


def with_colours(colours: dict[str, tuple[int, int, int]]) -> str:
    return SEGMENTATION + "colours: {" + ", ".join(f"{name}: {list(c)}" for name, c in colours.items()) + "}\n"


def test_exact_colours_have_no_unknown_pixels(tmp_path: Path) -> None:
    scenes(tmp_path, coloured)
    found = inspected(tmp_path, with_colours(COLOURS))
    assert found["problems"] == found["notes"] == []
    assert {one["pixels"] for one in found["ignored_pixels"].values()} == {0}


def test_jpeg_masks_are_a_problem_that_names_the_compression_and_the_share(tmp_path: Path) -> None:
    scenes(tmp_path, lambda labels: Image.fromarray(labels * 100), "jpg", quality=75)
    found = inspected(tmp_path, SEGMENTATION + "values: {sky: 0, road: 100, car: 200}\n")
    told = next(one for one in found["problems"] if one.startswith("source_train: "))
    assert "% of the pixels are ignored" in told
    assert "are JPEGs" in told
    counted = found["ignored_pixels"]["source_train"]
    labelled = sum(found["class_counts"]["source_train"].values())
    assert counted["pixels"] + labelled == found["sizes"]["source_train"] * 32 * 48


def test_colour_masks_that_were_resized_with_interpolation_are_a_problem(tmp_path: Path) -> None:
    scenes(tmp_path, lambda labels: coloured(labels[::2, ::2]).resize((48, 32), Image.Resampling.BILINEAR))
    found = inspected(tmp_path, with_colours(COLOURS))
    assert any("resizing with interpolation" in one for one in found["problems"])


def test_colours_with_red_and_blue_exchanged_are_a_problem(tmp_path: Path) -> None:
    scenes(tmp_path, coloured)
    found = inspected(tmp_path, with_colours(COLOURS | {"car": (142, 0, 0)}))
    assert any("red and blue exchanged" in one for one in found["problems"])


def test_exact_values_that_the_pair_leaves_out_are_a_note_with_value_and_count(tmp_path: Path) -> None:
    def with_void(labels: np.ndarray) -> Image.Image:
        values = labels * 10
        values[:8, :8] = 77
        return Image.fromarray(values)

    scenes(tmp_path, with_void)
    found = inspected(tmp_path, SEGMENTATION + "values: {sky: 0, road: 10, car: 20}\n")
    assert found["problems"] == []
    assert any("77 (" in one and "stand for no class" in one for one in found["notes"])
    assert found["ignored_pixels"]["target_test"]["values"] == {"77": 64 * found["sizes"]["target_test"]}


def test_images_that_are_turned_with_their_maps_are_a_note(tmp_path: Path) -> None:
    scenes(tmp_path, Image.fromarray)
    exif = Image.Exif()
    exif[0x0112] = 3
    for path in (tmp_path / "src/images").iterdir():
        with Image.open(path) as image:
            image.load()
        image.save(path, exif=exif)
    found = inspected(tmp_path, SEGMENTATION)
    assert any("EXIF orientation" in one and "(3)" in one and "label maps" in one for one in found["notes"])


@pytest.fixture
def deep(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for folder in ("src/cat", "src/dog", "tgt/cat", "tgt/dog"):
        (tmp_path / folder).mkdir(parents=True)
        for i in range(6):
            small = rng.integers(0, 255, (8, 8), dtype=np.uint8)
            pixels = np.asarray(Image.fromarray(small).resize((32, 32), Image.Resampling.BICUBIC)).astype(np.uint16)
            pixels = pixels * 16 if folder.startswith("tgt") else (pixels // 2 * 2).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / folder / f"{i}.png")
    return tmp_path


def test_16_bit_files_that_are_nearly_black_are_a_problem_until_the_bits_are_stated(deep: Path) -> None:
    found = inspected(deep, CLASSIFICATION % "")
    assert any("nearly black" in one and "bits: 12" in one for one in found["problems"])
    stated = inspected(deep, CLASSIFICATION % ", bits: 12")
    assert stated["problems"] == []
    assert any("upper 8 of 12 bits" in one for one in stated["notes"])
    assert stated["fingerprint"] != found["fingerprint"]


def test_bits_outside_9_to_16_are_refused(deep: Path) -> None:
    with pytest.raises(UserError, match="bits"):
        inspected(deep, CLASSIFICATION % ", bits: 8")
