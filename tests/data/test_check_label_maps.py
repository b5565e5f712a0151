"""Wrong label maps are refused before training, with files, values and counts."""

import dataclasses
from pathlib import Path

import fake_datasets
import numpy as np
import pytest
from drawn_scenes import SCENES, scenes
from PIL import Image

from dta_bench.benchmarks import gta5_cityscapes
from dta_bench.data import check_label_maps
from dta_bench.domains.images import Domains
from dta_bench.errors import UserError

IDS = np.append(np.arange(35, dtype=np.uint8), np.uint8(255)).reshape(4, 9)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    fake_datasets.gta5(tmp_path, IDS, count=12)
    fake_datasets.cityscapes(tmp_path, IDS)
    return tmp_path


def check(root: Path) -> None:
    check_label_maps.check(gta5_cityscapes.BENCHMARK, gta5_cityscapes.load(root))


def save(path: Path, picture: Image.Image) -> None:
    if picture.mode == "P":
        picture.putpalette(bytes(range(256)) * 3)  # without one PIL keeps a bit of each number
    picture.save(path)


def test_palette_and_grey_maps_of_label_ids_pass(tree: Path) -> None:
    check(tree)


def test_an_unknown_label_is_named_with_its_count(tree: Path) -> None:
    wrong = IDS.copy()
    wrong[0, :3], wrong[1, 0] = 77, 200
    save(tree / "gta5/labels/00003.png", Image.fromarray(wrong, mode="P"))
    with pytest.raises(UserError, match=r"00003\.png holds 77 \(3 pixels\), 200 \(1 pixels\).*known: 0\.\.34, 255"):
        check(tree)


def test_a_map_of_another_size_than_its_image_is_refused_with_both_sizes(tree: Path) -> None:
    save(tree / "gta5/labels/00007.png", Image.fromarray(IDS[:, :5], mode="P"))
    with pytest.raises(UserError, match=r"00007\.png is 5 x 4 pixels, but its image .* is 9 x 4"):
        check(tree)


@pytest.mark.parametrize(
    ("picture", "kind"),
    [
        (Image.fromarray(IDS.astype(np.uint16) * 257), "16 or 32 bits a pixel"),
        (Image.fromarray(np.stack([IDS] * 3, axis=2)), "colours in the place of numbers"),
        (Image.fromarray(IDS > 3), "1 bit a pixel"),
    ],
    ids=["16-bit", "colours", "1-bit"],
)
def test_a_map_that_holds_no_8_bit_numbers_is_refused_with_its_kind(
    tree: Path, picture: Image.Image, kind: str
) -> None:
    save(tree / "gta5/labels/00012.png", picture)
    with pytest.raises(UserError, match=rf"00012\.png has {kind}.*8-bit palette"):
        check(tree)


def test_missing_maps_are_counted(tree: Path) -> None:
    for i in (2, 5, 6):
        (tree / f"gta5/labels/{i:05d}.png").unlink()
    with pytest.raises(UserError, match=r"00002\.png is missing, as are 2 others of 12"):
        check(tree)


def test_of_many_wrong_maps_five_are_listed(tree: Path) -> None:
    for i in range(1, 10):
        save(tree / f"gta5/labels/{i:05d}.png", Image.fromarray(IDS[:2], mode="P"))
    with pytest.raises(UserError, match="and 4 more; prepare names all"):
        check(tree)


def test_maps_in_memory_are_checked_too() -> None:
    domains = Domains(scenes(3, 0), scenes(2, 1), scenes(3, 2), scenes(2, 3), "drawn")
    check_label_maps.check(SCENES, domains)
    wrong = scenes(3, 0)
    wrong.labels[1][:2, :5] = 9
    with pytest.raises(UserError, match=r"source train holds 9 \(10 pixels\) in 3 maps.*allowed: 0\.\.3 and 255"):
        check_label_maps.check(SCENES, dataclasses.replace(domains, source_train=wrong))
