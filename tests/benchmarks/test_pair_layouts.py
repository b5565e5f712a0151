"""Layouts that people have: junk beside images, links, lists with TAB or comma, suffixes of masks, words of YAML."""

import shutil
import tempfile
import unicodedata
from pathlib import Path

import fake_datasets
import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dta_bench.benchmarks import _pair, _pair_file, _pair_list
from dta_bench.benchmarks._pair_masks import pair_masks
from dta_bench.domains.file_tree import list_images
from dta_bench.domains.image_files import stays_inside_folder
from dta_bench.errors import UserError
from dta_bench.spec import yaml_file

NAMES: dict[str, int | None] = {"cat": 0, "alarm clock": 1, "frog": None}
PAIR = {"source": "src", "target": "tgt", "classes": ["cat", "dog"], "image_size": 8, "labels": 1}


def write_image(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fake_datasets.save(path, np.random.default_rng(seed).integers(0, 256, (4, 5, 3)).astype(np.uint8))


def read_pair(folder: Path, **changes: object) -> _pair_file.PairFile:
    path = folder / "pair.yaml"
    path.write_text(yaml.safe_dump(PAIR | changes, allow_unicode=True))
    return _pair_file.read(path)


def read_list(folder: Path, content: bytes) -> list[tuple[str, int]]:
    (folder / "all.txt").write_bytes(content)
    return _pair_list.read(folder / "all.txt", folder, NAMES, ["cat", "alarm clock"])


def test_a_link_to_a_folder_is_followed_and_no_folder_is_read_twice(tmp_path: Path) -> None:
    write_image(tmp_path / "elsewhere/1.png")
    write_image(tmp_path / "cat/real/0.png")
    (tmp_path / "cat/link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "cat/again").symlink_to(tmp_path / "cat/real")
    (tmp_path / "cat/real/up").symlink_to(tmp_path)
    assert list_images(tmp_path / "cat") == ["link/1.png", "real/0.png"]


def test_known_junk_is_passed_over_and_a_folder_with_an_images_name_is_no_image(tmp_path: Path) -> None:
    for path in ("0.png", "._0.png", "@eaDir/0.png/T.jpg", "__MACOSX/0.png", "b.png/1.jfif"):
        write_image(tmp_path / "x.png")
        (tmp_path / "cat" / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(tmp_path / "x.png", tmp_path / "cat" / path)
    assert list_images(tmp_path / "cat") == ["0.png", "b.png/1.jfif"]


@pytest.mark.parametrize(
    "line", ["a b.png\tcat", "a b.png,cat", "a b.png, cat", "./a b.png cat", "d\\c.png alarm clock"]
)
def test_a_line_with_any_usual_separator_is_read(line: str, tmp_path: Path) -> None:
    write_image(tmp_path / "a b.png")
    write_image(tmp_path / "d/c.png")
    ((path, label),) = read_list(tmp_path, line.encode())
    assert (tmp_path / path).is_file()
    assert label == (1 if "clock" in line else 0)


def test_names_in_another_unicode_form_meet(tmp_path: Path) -> None:
    write_image(tmp_path / unicodedata.normalize("NFD", "café") / "1.png")
    ((path, _),) = read_list(tmp_path, "café/1.png cat".encode())
    assert (tmp_path / path).is_file()
    for domain in ("src", "tgt"):
        for i in range(3):
            write_image(tmp_path / domain / unicodedata.normalize("NFD", "café") / f"{i}.png", i)
            write_image(tmp_path / domain / "dog" / f"{i}.png", i)
    assert len(_pair.load(read_pair(tmp_path, classes=["café", "dog"]), tmp_path).source_train) == 4


@given(st.lists(st.text("ab ,\t\\.é", min_size=1, max_size=6), min_size=1, max_size=4, unique=True), st.data())
def test_what_the_last_space_splits_into_a_file_and_a_class_is_read_so(stems: list[str], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        paths = [path for stem in stems if stays_inside_folder(path := f"{stem}.png".strip())]
        for path in paths:
            (folder / path).touch()
        lines = [(path, data.draw(st.sampled_from(["cat", "0", "1"]))) for path in dict.fromkeys(paths)]
        found = read_list(folder, "\n".join(f"{path} {word}" for path, word in lines).encode())
        assert found == [(path, {"cat": 0, "0": 0, "1": 1}[word]) for path, word in lines]


def test_masks_are_found_by_their_suffix_and_a_missing_suffix_is_suggested(tmp_path: Path) -> None:
    for name in ("0.jpg", "0_mask.png"):
        write_image(tmp_path / name)
    assert pair_masks(tmp_path, tmp_path, mask_suffix="_mask") == [("0.jpg", "0_mask.png")]
    write_image(tmp_path / "masks/0_mask.png")
    write_image(tmp_path / "images/0.jpg")
    with pytest.raises(UserError, match="say mask_suffix: _mask"):
        pair_masks(tmp_path / "images", tmp_path / "masks")


def test_two_images_of_one_mask_are_refused(tmp_path: Path) -> None:
    for name in ("images/0.jpg", "images/0.png", "masks/0.png"):
        write_image(tmp_path / name)
    with pytest.raises(UserError, match=r"0\.jpg and 0\.png are images of one mask"):
        pair_masks(tmp_path / "images", tmp_path / "masks")


@pytest.mark.parametrize("word", ["no", "yes", "off", "007", "2020-01-01", "null", "2020-13-45"])
def test_a_class_that_yaml_reads_as_something_else_is_to_be_quoted(word: str, tmp_path: Path) -> None:
    path = tmp_path / "pair.yaml"
    path.write_text(f"source: src\ntarget: tgt\nclasses: [{word}, dog]\nimage_size: 8\nlabels: 1\n")
    with pytest.raises(UserError, match="quote"):
        _pair_file.read(path)
    path.write_text(f'source: src\ntarget: tgt\nclasses: ["{word}", dog]\nimage_size: 8\nlabels: 1\n')
    assert list(_pair_file.read(path).classes) == [word, "dog"]


def test_a_yaml_file_without_texts_is_read_as_before(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("classes: [no]")
    assert yaml_file.read_mapping(tmp_path / "a.yaml", []) == {"classes": [False]}
