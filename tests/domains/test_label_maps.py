"""Label maps in files: the size and the kind that are accepted, and the class of each colour."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dta_bench.domains.image_files import ImageFiles
from dta_bench.domains.label_maps import LabelMaps, _read_colours
from dta_bench.errors import UserError

SIDES = st.integers(1, 24)
SEEDS = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "I;16", "1", "LA"])
def test_a_label_map_of_another_mode_is_refused_by_name(mode: str, tmp_path: Path) -> None:
    Image.new("RGB", (4, 3)).save(tmp_path / "image.png")
    Image.new(mode, (4, 3)).save(tmp_path / "map.png")
    maps = LabelMaps(ImageFiles(tmp_path, ["image.png"]), ["map.png"], np.arange(256, dtype=np.uint8))
    with pytest.raises(
        UserError, match=r"map\.png has .*\(mode .*\); a label map is an 8-bit palette \(P\) or grey \(L\)"
    ):
        maps[0]


@given(SIDES, SIDES, SIDES, SIDES)
def test_a_label_map_has_its_images_size_or_is_refused(height: int, width: int, rows: int, columns: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        Image.new("RGB", (width, height)).save(root / "image.png")
        Image.new("L", (columns, rows)).save(root / "map.png")
        maps = LabelMaps(ImageFiles(root, ["image.png"]), ["map.png"], np.arange(256, dtype=np.uint8))
        if (height, width) == (rows, columns):
            assert maps[0].shape == (height, width)
            return
        with pytest.raises(UserError, match=r"map\.png is \d+ x \d+ pixels, but its image .* a label map has its"):
            maps[0]


@given(st.dictionaries(st.tuples(*[st.integers(0, 255)] * 3), st.integers(0, 18), min_size=1, max_size=19), SEEDS)
def test_colours_are_looked_up_pixel_by_pixel(colours: dict[tuple[int, int, int], int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    known = np.array([*colours, (1, 2, 3), (255, 255, 254)], dtype=np.uint8)
    picture = known[rng.integers(len(known), size=(5, 7))]
    with tempfile.TemporaryDirectory() as folder:
        Image.fromarray(picture).save(Path(folder, "map.png"))
        found, _, _ = _read_colours(Path(folder, "map.png"), colours, 255)
    assert found.tolist() == [[colours.get(tuple(pixel), 255) for pixel in row] for row in picture.tolist()]
