"""``prepare`` on any tree of real files: it ends with counts that add up to the files on disk, or with one sentence."""

import contextlib
import io
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from PIL import Image

from dta_bench.data import inventory
from dta_bench.data.prepare import prepare
from dta_bench.errors import UserError

SIDE = 8


def encoded(mode: str, kind: str, value: int = 0, size: tuple[int, int] = (SIDE, SIDE), **options: Any) -> bytes:
    pixels = np.random.default_rng(value).integers(0, 256, (size[1], size[0], 4)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


def of_16_bits(highest: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.linspace(0, highest, SIDE * SIDE).reshape(SIDE, SIDE).astype(np.uint16)).save(buffer, "PNG")
    return buffer.getvalue()


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded("RGB", "JPEG", 5, (SIDE, SIDE // 2), exif=exif)


PNG, JPEG = encoded("RGB", "PNG", 1), encoded("RGB", "JPEG", 2)
CONTENTS = st.sampled_from([
    PNG, JPEG, encoded("L", "PNG"), encoded("RGBA", "PNG", 3), encoded("P", "PNG", 4), encoded("CMYK", "JPEG"),
    encoded("RGB", "TIFF"), encoded("RGB", "BMP"), encoded("1", "PNG"), encoded("RGB", "PNG", 6, (1, 1)), turned(),
    of_16_bits(4000), of_16_bits(65535), encoded("F", "TIFF"), PNG[:-20], JPEG[: len(JPEG) // 2], JPEG + bytes(100),
    JPEG[:300] + bytes(80) + JPEG[380:], b"", b"\0", b"no picture at all", b"\xff\xd8", b"\x89PNG\r\n\x1a\n",
])  # fmt: skip
NAMES = st.sampled_from([
    b"2.png", b"3.jpg", b"4.JPEG", b"5.tif", b"6.bmp", b"7.gif", b"9.jfif", b"8", b"a b.png", b"Thumbs.db", b"._2.png",
    b".x.png", b"caf\xe9.png", "café.png".encode(), "cafe\N{COMBINING ACUTE ACCENT}.png".encode(), b"a.b.png",
    b"list.txt", b"new\nline.png",
])  # fmt: skip
FOLDERS = st.sampled_from(
    [
        b"src/cat",
        b"src/dog",
        b"tgt/cat",
        b"tgt/dog",
        b"tgt/cat/deep",
        b"src",
        b"tgt/@eaDir",
        b"src/frog",
        b"src/cat/sub.png",
    ]
)
FILES = st.dictionaries(st.tuples(FOLDERS, NAMES), CONTENTS, max_size=8)
LINES = st.lists(
    st.sampled_from(
        [
            "frog.png cat",
            "cat/2.png\tdog",
            "cat/café.png, cat",
            "cat\\3.png 0",
            "",
            "nothing",
            "../x.png cat",
            "dog/0.png 1",
        ]
    ),
    max_size=2,
)
OF_EACH_CLASS = ("cat/0.png cat", "cat\\1.png 0", "dog/0.png\tdog", "dog/1.png,1")
ENCODINGS = st.sampled_from(["utf-8", "utf-8-sig", "latin-1", "utf-16"])
LINKS = st.lists(st.tuples(FOLDERS, st.sampled_from([b"src", b"tgt/cat", b"nowhere", b"."])), max_size=2)
PAIR = {
    "source": "src",
    "target": "tgt",
    "classes": ["cat", "dog"],
    "image_size": SIDE,
    "labels": 1,
    "leave_out": ["frog"],
}
ALWAYS = {(d + c, n): PNG for d in (b"src", b"tgt") for c in (b"/cat", b"/dog") for n in (b"0.png", b"1.png")}
"""Two pictures of each class in each domain are always there, so that most trees are no refusal."""


def plant(root: str, folder: bytes, name: bytes, content: bytes) -> None:
    directory = in_root(root, folder)
    (directory / os.fsdecode(name)).write_bytes(content)


def in_root(root: str, folder: bytes) -> Path:
    directory = Path(root, os.fsdecode(folder))
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def prepare_pair(root: str, pair: dict[str, Any]) -> dict[str, Any] | None:
    """The result of ``prepare`` in a folder with this pair; None if it was refused in a sentence."""
    Path(root, "benchmarks").mkdir()
    Path(root, "benchmarks", "fuzzed.yaml").write_text(yaml.safe_dump(pair))
    with contextlib.chdir(root):
        try:
            return prepare("fuzzed", Path(root), check=True)
        except UserError:
            event("refused")
            return None


def check_counts(result: dict[str, Any], may_have_links: bool) -> None:
    event("prepared")
    for count in result["files"]:
        kinds = sum(count[kind] for kind in inventory.WORDS) + sum(count["other_suffixes"].values())
        assert kinds == count["on_disk"]
        if not may_have_links:
            assert count["on_disk"] == sum(len(names) for _, _, names in os.walk(os.fsencode(count["folder"])))
    sizes = result["sizes"]
    taken = sum(sizes[name] for name in ("source_train", "source_validation", "target_train", "target_test"))
    if not may_have_links:
        assert taken == sum(count["images"] + count["damaged"] for count in result["files"])
    damaged, unreadable = sum(count["damaged"] for count in result["files"]), len(set(result["unreadable"]))
    assert damaged == unreadable or (may_have_links and damaged > unreadable)  # by a link a file is in two folders


def check_folders(files: dict[tuple[bytes, bytes], bytes], links: list[tuple[bytes, bytes]]) -> None:
    with tempfile.TemporaryDirectory() as root:
        for (folder, name), content in (ALWAYS | files).items():
            plant(root, folder, name, content)
        for number, (folder, to) in enumerate(links):
            (in_root(root, folder) / f"link{number}").symlink_to(Path(root, os.fsdecode(to)))
        if (result := prepare_pair(root, PAIR)) is not None:
            check_counts(result, bool(links))


def check_list(lines: list[str], encoding: str) -> None:
    with tempfile.TemporaryDirectory() as root:
        for (folder, name), content in ALWAYS.items():
            plant(root, folder, name, content)
        for name in ("2.png", "3.png", "café.png"):
            plant(root, b"src/cat", name.encode(), JPEG)
        plant(root, b"src", b"all.txt", "\n".join([*OF_EACH_CLASS, *lines]).encode(encoding))
        if (result := prepare_pair(root, PAIR | {"source": {"folder": "src", "list": "all.txt"}})) is not None:
            check_counts(result, may_have_links=False)


def check_masks(contents: list[bytes]) -> None:
    """The pictures of a drawn list are the masks of good images, in order."""
    with tempfile.TemporaryDirectory() as root:
        for domain in (b"src", b"tgt"):
            for number, mask in enumerate([*contents, encoded("L", "PNG")] * 3):
                plant(root, domain + b"/images", b"%d.png" % number, PNG)
                plant(root, domain + b"/masks", b"%d.png" % number, mask)
        pair = PAIR | {"task": "segmentation", "values": {"cat": 1, "dog": [2, 3]}}
        if (result := prepare_pair(root, pair)) is not None:
            event("prepared")
            assert {
                count["images"] + count["damaged"] for count in result["files"] if count["folder"].endswith("images")
            }


quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
long = settings(max_examples=3000, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@quick
@given(FILES, LINKS)
def test_folders_of_any_files_are_counted_or_refused(
    files: dict[tuple[bytes, bytes], bytes], links: list[tuple[bytes, bytes]]
) -> None:
    check_folders(files, links)


@quick
@given(LINES, ENCODINGS)
def test_any_list_is_read_or_refused(lines: list[str], encoding: str) -> None:
    check_list(lines, encoding)


@quick
@given(st.lists(CONTENTS, max_size=3))
def test_any_masks_are_read_or_refused(contents: list[bytes]) -> None:
    check_masks(contents)


@pytest.mark.slow
@long
@given(FILES, LINKS)
def test_hundreds_of_folders_are_counted_or_refused(
    files: dict[tuple[bytes, bytes], bytes], links: list[tuple[bytes, bytes]]
) -> None:
    check_folders(files, links)


@pytest.mark.slow
@long
@given(LINES, ENCODINGS)
def test_hundreds_of_lists_are_read_or_refused(lines: list[str], encoding: str) -> None:
    check_list(lines, encoding)


@pytest.mark.slow
@long
@given(st.lists(CONTENTS, max_size=3))
def test_hundreds_of_masks_are_read_or_refused(contents: list[bytes]) -> None:
    check_masks(contents)
