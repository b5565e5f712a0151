"""Data packed into shards and unpacked again: the same files, or one sentence."""

import io
import json
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dta_bench.data import shards
from dta_bench.errors import UserError


def write(root: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)


def read(root: Path) -> dict[str, bytes]:
    paths = [path for path in root.rglob("*") if path.is_file() and not path.name.startswith(".")]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


FILES = {"visda/train/car/1.jpg": b"a" * 700, "visda/train/bus/ü 2.jpg": b"b" * 700, "visda/labels.txt": b"0"}


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    write(tmp_path / "data", FILES)
    shards.pack(tmp_path / "data", tmp_path / "shards", shard_bytes=700)
    return tmp_path / "shards"


@settings(max_examples=20)
@given(
    st.dictionaries(st.from_regex(r"[a-zäλ][a-z0-9 ]{0,8}x", fullmatch=True), st.binary(max_size=300), min_size=1),
    st.integers(1, 1000),
)
def test_what_is_packed_is_unpacked(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], shard_bytes: int
) -> None:
    folder = tmp_path_factory.mktemp("shards")
    write(folder / "data", files)
    made = shards.pack(folder / "data", folder / "shards", shard_bytes)
    assert sum(shard.files for shard in made) == len(files)
    shards.unpack(folder / "shards", folder / "again")
    assert read(folder / "again") == files


def test_shards_have_about_the_size_that_is_asked_for(packed: Path) -> None:
    assert sorted(path.name for path in packed.iterdir()) == ["shard-00000.tar", "shard-00001.tar", "shards.json"]


def test_the_same_files_give_the_same_bytes(packed: Path, tmp_path: Path) -> None:
    write(tmp_path / "copy", dict(reversed(FILES.items())))
    shards.pack(tmp_path / "copy", tmp_path / "other", shard_bytes=700)
    assert read(packed) == read(tmp_path / "other")


def test_hidden_files_and_junk_stay_behind(tmp_path: Path) -> None:
    write(tmp_path / "data", {"a.png": b"1", ".lock": b"2", "Thumbs.db": b"3"})
    (shard,) = shards.pack(tmp_path / "data", tmp_path / "shards")
    assert shard.files == 1


def test_a_damaged_shard_is_named_and_nothing_of_it_is_unpacked(packed: Path, tmp_path: Path) -> None:
    broken = packed / "shard-00001.tar"
    broken.write_bytes(broken.read_bytes()[:-1] + b"x")
    with pytest.raises(UserError, match=r"shard-00001\.tar is damaged: its SHA-256 is .*fetch it again"):
        shards.unpack(packed, tmp_path / "root")
    with tarfile.open(broken) as tar:
        assert not any((tmp_path / "root" / name).exists() for name in tar.getnames())
    assert not (tmp_path / "root" / shards.DONE).exists()


def test_a_missing_shard_is_named(packed: Path, tmp_path: Path) -> None:
    (packed / "shard-00000.tar").unlink()
    with pytest.raises(UserError, match=r"shard-00000\.tar cannot be unpacked \(No such file"):
        shards.unpack(packed, tmp_path / "root")


def test_the_same_shards_are_unpacked_once(packed: Path, tmp_path: Path) -> None:
    shards.unpack(packed, tmp_path / "root")
    for shard in packed.glob("*.tar"):
        shard.unlink()
    assert len(shards.unpack(packed, tmp_path / "root")) == 2


def test_other_shards_are_unpacked_again(packed: Path, tmp_path: Path) -> None:
    shards.unpack(packed, tmp_path / "root")
    write(tmp_path / "data", {"visda/labels.txt": b"1"})
    shards.pack(tmp_path / "data", tmp_path / "newer", shard_bytes=700)
    shards.unpack(tmp_path / "newer", tmp_path / "root")
    assert (tmp_path / "root" / "visda" / "labels.txt").read_bytes() == b"1"


def test_a_shard_cannot_write_outside_the_folder_of_the_data(tmp_path: Path) -> None:
    evil = tmp_path / "shards" / "shard-00000.tar"
    evil.parent.mkdir()
    with tarfile.open(evil, "w") as tar:
        entry = tarfile.TarInfo("../outside")
        entry.size = 1
        tar.addfile(entry, io.BytesIO(b"x"))
    shard = {"name": evil.name, "bytes": 1, "files": 1, "sha256": shards._sha256(evil)}
    (evil.parent / shards.MANIFEST).write_text(json.dumps({"format": 1, "shards": [shard]}))
    with pytest.raises(UserError, match="cannot be unpacked"):
        shards.unpack(evil.parent, tmp_path / "root")
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize(("manifest", "says"), [
    (None, "cannot be read"), ("[", "is no list of shards"), ('{"format": 9}', "format 9, and this dta-bench reads 1"),
    ('{"format": 1, "shards": [{}]}', "is no list of shards"),
])  # fmt: skip
def test_what_is_no_manifest_is_refused(manifest: str | None, says: str, tmp_path: Path) -> None:
    if manifest is not None:
        (tmp_path / shards.MANIFEST).write_text(manifest)
    with pytest.raises(UserError, match=says):
        shards.unpack(tmp_path, tmp_path / "root")


def test_what_cannot_be_packed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there are no files under"):
        shards.pack(tmp_path, tmp_path / "shards")
    write(tmp_path, {"data/a": b"1", "full/b": b"2"})
    with pytest.raises(UserError, match="full is not empty"):
        shards.pack(tmp_path / "data", tmp_path / "full")
    with pytest.raises(UserError, match="lies in"):
        shards.pack(tmp_path / "data", tmp_path / "data" / "shards")
