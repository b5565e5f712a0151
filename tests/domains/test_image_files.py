"""Image files of any mode, complete or cut off, are read as RGB or refused in one sentence."""

import io
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dta_bench.domains.image_files import read_image, stays_inside_folder
from dta_bench.errors import UserError

SIDES = st.integers(1, 24)
SEEDS = st.integers(0, 2**32 - 1)


def random_pixels(seed: int, shape: tuple[int, ...], dtype: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


def written_and_read(picture: Image.Image, suffix: str = ".png", **options: object) -> np.ndarray:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"x{suffix}")
        picture.save(path, **options)  # type: ignore[arg-type]
        return read_image(path)


@given(SEEDS, SIDES, SIDES)
def test_grey_is_repeated(seed: int, height: int, width: int) -> None:
    grey = random_pixels(seed, (height, width))
    assert np.array_equal(written_and_read(Image.fromarray(grey)), np.repeat(grey[:, :, None], 3, axis=2))


@given(SEEDS, SIDES, SIDES)
def test_alpha_is_dropped(seed: int, height: int, width: int) -> None:
    rgba = random_pixels(seed, (height, width, 4))
    assert np.array_equal(written_and_read(Image.fromarray(rgba, "RGBA")), rgba[:, :, :3])


@given(SEEDS, SIDES, SIDES)
def test_sixteen_bits_are_cut_to_their_upper_eight(seed: int, height: int, width: int) -> None:
    deep = random_pixels(seed, (height, width), np.uint16)
    found = written_and_read(Image.fromarray(deep))
    assert found.shape == (height, width, 3)
    assert np.abs(found[:, :, 0].astype(int) - deep / 257).max() <= 1


@given(SEEDS, SIDES, SIDES)
def test_palettes_become_their_colours(seed: int, height: int, width: int) -> None:
    picture = Image.fromarray(random_pixels(seed, (height, width)), "P")
    picture.putpalette(random_pixels(seed + 1, (768,)).tolist())
    assert np.array_equal(written_and_read(picture), np.asarray(picture.convert("RGB")))


@given(SEEDS, st.sampled_from(["CMYK", "L", "RGB"]))
def test_a_jpeg_of_any_kind_is_what_pillow_sees(seed: int, mode: str) -> None:
    colour = tuple(random_pixels(seed, (len(Image.new(mode, (1, 1)).getbands()),)).tolist())
    buffer = io.BytesIO()
    Image.new(mode, (16, 16), colour if len(colour) > 1 else colour[0]).save(buffer, "jpeg", quality=100)
    expected = np.asarray(Image.open(io.BytesIO(buffer.getvalue())).convert("RGB")).astype(int)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.jpg")
        path.write_bytes(buffer.getvalue())
        assert np.abs(read_image(path).astype(int) - expected).max() <= 4


@given(SEEDS, st.sampled_from(["jpeg", "png"]), st.floats(0, 0.999))
def test_a_file_that_is_cut_off_anywhere_is_refused(seed: int, kind: str, share: float) -> None:
    buffer = io.BytesIO()
    Image.fromarray(random_pixels(seed, (20, 30, 3))).save(buffer, kind)
    content = buffer.getvalue()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x")
        path.write_bytes(content[: int(share * (len(content) - 2))])
        with pytest.raises(UserError, match=r"cannot be read as an image"):
            read_image(path)


@given(st.binary(max_size=300))
def test_any_bytes_are_an_image_or_refused_in_one_sentence(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.png")
        path.write_bytes(content)
        refused = False
        try:
            found = read_image(path)
        except UserError:
            refused = True
        assert refused or found.ndim == 3


def test_a_thumbnail_does_not_hide_that_its_picture_is_cut_off(tmp_path: Path) -> None:
    thumbnail, buffer = io.BytesIO(), io.BytesIO()
    Image.fromarray(random_pixels(0, (8, 8, 3))).save(thumbnail, "jpeg")
    Image.fromarray(random_pixels(1, (64, 64, 3))).save(buffer, "jpeg", exif=b"Exif\0\0" + thumbnail.getvalue())
    path = tmp_path / "x.jpg"
    path.write_bytes(buffer.getvalue())
    assert read_image(path).shape == (64, 64, 3)
    path.write_bytes(buffer.getvalue()[:-500])
    with pytest.raises(UserError, match="cannot be read"):
        read_image(path)


@given(st.text(max_size=40))
def test_a_path_that_is_accepted_from_a_list_stays_inside_its_folder(path: str) -> None:
    root = Path("/root/set")
    if stays_inside_folder(path):
        assert Path(root, path).resolve().is_relative_to(root.resolve())
