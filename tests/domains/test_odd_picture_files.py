"""Picture files that are turned, deep, followed by bytes or damaged are read as viewers show them, or named."""

import io
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from dta_bench.domains.decoder_voice import decode_and_listen
from dta_bench.domains.image_files import ImageFiles, read_image
from dta_bench.domains.label_maps import LabelMaps
from dta_bench.domains.picture_file import stored_picture, turn
from dta_bench.errors import UserError


def picture(height: int = 120, width: int = 160) -> Image.Image:
    coarse = np.random.default_rng(0).integers(0, 255, (12, 16, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def encoded(kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture().save(buffer, kind, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


def with_orientation(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "tiff"])
def test_image_mask_and_size_check_agree_on_what_viewers_show(kind: str, orientation: int, tmp_path: Path) -> None:
    path = tmp_path / "image"
    picture().save(path, kind, exif=with_orientation(orientation))
    with Image.open(path) as opened:
        shown = np.asarray(ImageOps.exif_transpose(opened).convert("RGB")).astype(int)
    assert np.abs(read_image(path).astype(int) - shown).mean() < 3
    labels = (shown[..., 0] > 128).astype(np.uint8)
    Image.fromarray(labels).save(tmp_path / "map.png")
    maps = LabelMaps(ImageFiles(tmp_path, ["image"]), ["map.png"], np.arange(256, dtype=np.uint8))
    maps.check_header(0)
    assert np.array_equal(maps[0], labels)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pixels_are_turned_as_pillow_turns_them(orientation: int) -> None:
    stored = np.arange(6, dtype=np.uint8).reshape(2, 3)
    image = Image.fromarray(stored)
    image.getexif()[0x0112] = orientation
    assert np.array_equal(turn(stored, orientation), np.asarray(ImageOps.exif_transpose(image)))


def test_a_map_of_the_stored_pixels_of_a_turned_image_is_refused_with_the_orientation(tmp_path: Path) -> None:
    picture().save(tmp_path / "image.jpg", exif=with_orientation(6))
    Image.new("L", (160, 120)).save(tmp_path / "map.png")
    maps = LabelMaps(ImageFiles(tmp_path, ["image.jpg"]), ["map.png"], np.arange(256, dtype=np.uint8))
    for look in (lambda: maps[0], lambda: maps.check_header(0)):
        with pytest.raises(UserError, match=r"160 x 120 .* is 120 x 160 as viewers show it \(EXIF orientation 6"):
            look()


@pytest.mark.parametrize("tail", [bytes(5000), b"ftypmp42\xff\xda" + bytes(range(256)) * 9], ids=["zeros", "film"])
@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_bytes_after_the_picture_are_no_fault(kind: str, tail: bytes, tmp_path: Path) -> None:
    content = encoded(kind)
    expected = read_image(write(tmp_path / "a", content))
    assert np.array_equal(read_image(write(tmp_path / "b", content + tail)), expected)
    assert stored_picture(content + tail).extra_bytes == len(tail)


@pytest.mark.parametrize("options", [{}, {"optimize": True}, {"progressive": True}, {"restart_marker_rows": 1}])
def test_a_jpeg_with_zeros_in_its_middle_is_named_and_the_terminal_stays_silent(
    options: dict[str, object], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    content = encoded("jpeg", quality=90, **options)
    middle = len(content) // 2
    path = write(tmp_path / "holed.jpg", content[:middle] + bytes(512) + content[middle + 512 :])
    with pytest.raises(UserError, match=r"holed\.jpg is damaged"):
        read_image(path)
    assert capfd.readouterr().err == ""


def test_padding_before_the_end_of_a_jpeg_is_no_damage(tmp_path: Path) -> None:
    content = encoded("jpeg")
    expected = read_image(write(tmp_path / "a.jpg", content))
    assert np.array_equal(read_image(write(tmp_path / "b.jpg", content[:-2] + bytes(400) + content[-2:])), expected)


def test_a_blank_jpeg_has_no_hole(tmp_path: Path) -> None:
    Image.new("L", (2000, 2000), 128).save(tmp_path / "a.jpg", optimize=True)
    assert bytes(64) in (tmp_path / "a.jpg").read_bytes()
    assert (read_image(tmp_path / "a.jpg") == 128).all()


def test_what_others_write_while_a_file_is_decoded_reaches_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    def speak() -> None:
        os.write(2, b"of another thread\nCorrupt JPEG data: bad Huffman code\n")

    _, heard = decode_and_listen(speak)
    assert heard == "Corrupt JPEG data: bad Huffman code\n"
    assert capfd.readouterr().err == "of another thread\n" * 2  # it was decoded twice


@pytest.mark.parametrize(("suffix", "channels"), [(".png", 1), (".png", 3), (".tif", 1), (".tif", 3), (".pgm", 1)])
def test_stated_bits_scale_deep_files(suffix: str, channels: int, tmp_path: Path) -> None:
    deep = np.random.default_rng(0).integers(0, 4096, (9, 7, channels), dtype=np.uint16)
    cv2.imwrite(str(tmp_path / f"x{suffix}"), deep)
    found = read_image(tmp_path / f"x{suffix}", bits=12)
    assert np.array_equal(found, np.broadcast_to((deep >> 4)[:, :, ::-1], (9, 7, 3)))
    assert stored_picture((tmp_path / f"x{suffix}").read_bytes()).highest == deep.max()


def test_more_than_the_stated_bits_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.full((3, 4), 5000, dtype=np.uint16)).save(tmp_path / "x.png")
    with pytest.raises(UserError, match=r"holds 5000\.\.5000, but 12 bits hold 0\.\.4095"):
        read_image(tmp_path / "x.png", bits=12)


def test_stated_bits_leave_files_of_8_bits_alone(tmp_path: Path) -> None:
    picture().save(tmp_path / "x.png")
    assert np.array_equal(read_image(tmp_path / "x.png", bits=12), read_image(tmp_path / "x.png"))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", [np.float32, np.int32, np.float64])
def test_a_tiff_of_32_bits_or_more_is_refused_for_its_bits(kind: type, channels: int, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "x.tif"), np.ones((5, 6, channels), dtype=kind))
    with pytest.raises(UserError, match=r"x\.tif has (32|64) bits a sample .* has 8 or 16: convert"):
        read_image(tmp_path / "x.tif")


def test_a_map_of_few_bits_a_pixel_is_refused_where_its_numbers_are_classes(tmp_path: Path) -> None:
    Image.new("RGB", (160, 120)).save(tmp_path / "image.png")
    cv2.imwrite(str(tmp_path / "map.png"), np.zeros((120, 160), np.uint8), (cv2.IMWRITE_PNG_BILEVEL, 0))
    content = (tmp_path / "map.png").read_bytes()
    import struct
    import zlib

    header = content[16:24] + bytes([4]) + content[25:29]
    rows = zlib.compress((b"\0" + bytes(80)) * 120)
    chunks = [(b"IHDR", header), (b"IDAT", rows), (b"IEND", b"")]
    packed = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    write(tmp_path / "map.png", content[:8] + packed)
    known = np.arange(256) < 16
    table = np.arange(256, dtype=np.uint8)
    maps = LabelMaps(ImageFiles(tmp_path, ["image.png"]), ["map.png"], table, known=known)
    with pytest.raises(UserError, match="has 4 bits a pixel"):
        maps[0]
