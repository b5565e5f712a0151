"""Files as they come: any mode of picture, any tear, any list; read as stated or refused in one sentence."""

import io
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dta_bench.benchmarks import _image_lists
from dta_bench.domains import files
from dta_bench.errors import UserError

SIDES = st.integers(1, 24)
SEEDS = st.integers(0, 2**32 - 1)


def pixels(seed: int, shape: tuple[int, ...], dtype: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


def stored(picture: Image.Image, suffix: str = ".png", **options: object) -> np.ndarray:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"x{suffix}")
        picture.save(path, **options)  # type: ignore[arg-type]
        return files.read_image(path)


@given(SEEDS, SIDES, SIDES)
def test_grey_is_repeated(seed: int, height: int, width: int) -> None:
    grey = pixels(seed, (height, width))
    assert np.array_equal(stored(Image.fromarray(grey)), np.repeat(grey[:, :, None], 3, axis=2))


@given(SEEDS, SIDES, SIDES)
def test_alpha_is_dropped(seed: int, height: int, width: int) -> None:
    rgba = pixels(seed, (height, width, 4))
    assert np.array_equal(stored(Image.fromarray(rgba, "RGBA")), rgba[:, :, :3])


@given(SEEDS, SIDES, SIDES)
def test_sixteen_bits_are_cut_to_their_upper_eight(seed: int, height: int, width: int) -> None:
    deep = pixels(seed, (height, width), np.uint16)
    found = stored(Image.fromarray(deep))
    assert found.shape == (height, width, 3)
    assert np.abs(found[:, :, 0].astype(int) - deep / 257).max() <= 1


@given(SEEDS, SIDES, SIDES)
def test_palettes_become_their_colours(seed: int, height: int, width: int) -> None:
    picture = Image.fromarray(pixels(seed, (height, width)), "P")
    picture.putpalette(pixels(seed + 1, (768,)).tolist())
    assert np.array_equal(stored(picture), np.asarray(picture.convert("RGB")))


@given(SEEDS, st.sampled_from(["CMYK", "L", "RGB"]))
def test_a_jpeg_of_any_kind_is_what_pillow_sees(seed: int, mode: str) -> None:
    colour = tuple(pixels(seed, (len(Image.new(mode, (1, 1)).getbands()),)).tolist())
    held = io.BytesIO()
    Image.new(mode, (16, 16), colour if len(colour) > 1 else colour[0]).save(held, "jpeg", quality=100)
    expected = np.asarray(Image.open(io.BytesIO(held.getvalue())).convert("RGB")).astype(int)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.jpg")
        path.write_bytes(held.getvalue())
        assert np.abs(files.read_image(path).astype(int) - expected).max() <= 4


@given(SEEDS, st.sampled_from(["jpeg", "png"]), st.floats(0, 0.999))
def test_a_file_that_is_cut_off_anywhere_is_refused(seed: int, kind: str, share: float) -> None:
    held = io.BytesIO()
    Image.fromarray(pixels(seed, (20, 30, 3))).save(held, kind)
    content = held.getvalue()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x")
        path.write_bytes(content[: int(share * (len(content) - 2))])
        with pytest.raises(UserError, match=r"cannot be read as an image"):
            files.read_image(path)


@given(st.binary(max_size=300))
def test_any_bytes_are_an_image_or_refused_in_one_sentence(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.png")
        path.write_bytes(content)
        refused = False
        try:
            found = files.read_image(path)
        except UserError:
            refused = True
        assert refused or found.ndim == 3


def test_a_thumbnail_does_not_hide_that_its_picture_is_cut_off(tmp_path: Path) -> None:
    thumbnail, held = io.BytesIO(), io.BytesIO()
    Image.fromarray(pixels(0, (8, 8, 3))).save(thumbnail, "jpeg")
    Image.fromarray(pixels(1, (64, 64, 3))).save(held, "jpeg", exif=b"Exif\0\0" + thumbnail.getvalue())
    path = tmp_path / "x.jpg"
    path.write_bytes(held.getvalue())
    assert files.read_image(path).shape == (64, 64, 3)
    path.write_bytes(held.getvalue()[:-500])
    with pytest.raises(UserError, match="cannot be read"):
        files.read_image(path)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "I;16", "1", "LA"])
def test_a_label_map_of_another_mode_is_refused_by_name(mode: str, tmp_path: Path) -> None:
    Image.new("RGB", (4, 3)).save(tmp_path / "image.png")
    Image.new(mode, (4, 3)).save(tmp_path / "map.png")
    maps = files.LabelMaps(files.ImageFiles(tmp_path, ["image.png"]), ["map.png"], np.arange(256, dtype=np.uint8))
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
        maps = files.LabelMaps(files.ImageFiles(root, ["image.png"]), ["map.png"], np.arange(256, dtype=np.uint8))
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
        found = files._classes_of(Path(folder, "map.png"), colours, 255)
    assert found.tolist() == [[colours.get(tuple(pixel), 255) for pixel in row] for row in picture.tolist()]


@given(st.text(max_size=40))
def test_a_path_from_a_list_stays_within_its_folder(path: str) -> None:
    root = Path("/root/set")
    if files.stays_within(path):
        assert Path(root, path).resolve().is_relative_to(root.resolve())


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=10)


@given(st.lists(WORDS | st.tuples(WORDS, st.integers(-2, 14)).map(lambda pair: f"{pair[0]} {pair[1]}"), max_size=5))
def test_any_image_list_is_read_in_its_order_or_refused_by_its_line(lines: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "set").mkdir()
        Path(folder, "set/image_list.txt").write_text("\n".join(lines), encoding="utf-8")
        try:
            found = _image_lists.read(Path(folder), "set", 12, "")
        except UserError as error:
            refused = str(error)
        else:
            kept = [line for text in lines for line in text.splitlines() if line.strip()]
            assert [f"set/{line.strip().rpartition(' ')[0].strip()}" for line in kept] == list(found.ids)
            assert all(0 <= label < 12 for label in found.labels.tolist())
            return
    assert "image_list.txt" in refused
    assert "\n" not in refused


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"a.png 1\x00"])
def test_a_list_that_is_no_text_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set/image_list.txt").write_bytes(content)
    with pytest.raises(UserError, match=r"image_list\.txt"):
        _image_lists.read(tmp_path, "set", 12, "")


def test_an_empty_list_is_refused(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set/image_list.txt").write_text("\n \n")
    with pytest.raises(UserError, match=r"image_list\.txt names no image"):
        _image_lists.read(tmp_path, "set", 12, "")
