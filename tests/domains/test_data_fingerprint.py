"""A fingerprint of data in files comes from their contents; a file is read once; older schemes can be compared."""

import hashlib
import os
import stat
from pathlib import Path

import pytest

from dta_bench.domains import content_digests, data_fingerprint
from dta_bench.domains.data_fingerprint import compare, fingerprint
from dta_bench.errors import UserError

ENTRIES = [("a.bmp", "0"), ("b.bmp", "1")]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(content_digests, "SETTLED_NS", -(10**12))  # files that were written just now are kept, too
    return tmp_path / "cache"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    for name, _ in ENTRIES:
        (tmp_path / "data" / name).write_bytes(name.encode() * 100)
    return tmp_path / "data"


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that were read."""
    names: list[str] = []
    digest = content_digests._digest
    monkeypatch.setattr(content_digests, "_digest", lambda path: names.append(path.name) or digest(path))
    return names


def invert(file: Path) -> None:
    """Other contents under the same name, size and mtime."""
    state = file.stat()
    file.write_bytes(bytes(255 - byte for byte in file.read_bytes()))
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))


def test_other_contents_of_the_same_size_are_other_data(root: Path) -> None:
    before = fingerprint(root, ENTRIES)
    invert(root / "a.bmp")
    assert fingerprint(root, ENTRIES) != before


def test_the_same_contents_elsewhere_are_the_same_data(root: Path, tmp_path: Path) -> None:
    before = fingerprint(root, ENTRIES)
    root.rename(tmp_path / "moved")
    assert fingerprint(tmp_path / "moved", ENTRIES[::-1]) == before


def test_a_file_is_read_once(root: Path, read: list[str]) -> None:
    first = fingerprint(root, ENTRIES)
    assert sorted(read) == ["a.bmp", "b.bmp"]
    assert fingerprint(root, ENTRIES) == first
    assert len(read) == 2
    invert(root / "b.bmp")
    fingerprint(root, ENTRIES)
    assert read[2:] == ["b.bmp"]


def test_a_file_that_has_just_changed_is_read_again(
    root: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content_digests, "SETTLED_NS", 10**12)
    assert fingerprint(root, ENTRIES) == fingerprint(root, ENTRIES)
    assert len(read) == 4


def test_digests_are_kept_in_a_folder_of_the_users_alone(root: Path, cache: Path) -> None:
    fingerprint(root, ENTRIES)
    assert stat.S_IMODE((cache / "dta-bench").stat().st_mode) == 0o700


def test_a_link_in_the_place_of_that_folder_is_not_followed(root: Path, cache: Path, tmp_path: Path) -> None:
    (tmp_path / "planted").mkdir()
    cache.mkdir()
    (cache / "dta-bench").symlink_to(tmp_path / "planted")
    fingerprint(root, ENTRIES)
    assert not list((tmp_path / "planted").iterdir())


def test_a_damaged_store_of_digests_changes_nothing(root: Path, cache: Path, read: list[str]) -> None:
    first = fingerprint(root, ENTRIES)
    (store,) = (cache / "dta-bench").glob("*.sqlite")
    store.write_bytes(b"no database at all" * 100)
    assert fingerprint(root, ENTRIES) == fingerprint(root, ENTRIES) == first
    assert fingerprint(root, ENTRIES) == first
    assert len(read) <= 6


def test_without_a_cache_folder_the_fingerprint_is_the_same(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = fingerprint(root, ENTRIES)
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null/nowhere")
    assert fingerprint(root, ENTRIES) == first


def test_names_that_are_not_utf_8_are_data_too(root: Path) -> None:
    name = os.fsdecode(b"caf\xe9.bmp")
    (root / "a.bmp").rename(root / name)
    assert compare(fingerprint(root, [(name, "0")]), fingerprint(root, [(name, "0")])) == "same"


def test_a_missing_file_is_named(root: Path) -> None:
    with pytest.raises(UserError, match=r"c\.bmp is missing"):
        fingerprint(root, [("c.bmp", "0")])


def older(root: Path) -> str:
    """The fingerprint as the scheme before took it."""
    lines = (f"{path}\t{(root / path).stat().st_size}\t{label}\n" for path, label in sorted(ENTRIES))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def test_an_older_fingerprint_is_compared_under_its_own_scheme(root: Path) -> None:
    stored, today = older(root), fingerprint(root, ENTRIES)
    assert compare(stored, today) == "not verified"
    invert(root / "a.bmp")
    assert compare(today, fingerprint(root, ENTRIES)) == "other"
    (root / "a.bmp").write_bytes(b"shorter")
    assert compare(stored, fingerprint(root, ENTRIES)) == "other"


def test_leaving_images_out_compares_in_both_schemes(root: Path) -> None:
    removed = ["a.bmp"]
    before = hashlib.sha256("\n".join([older(root), *removed]).encode()).hexdigest()
    today = data_fingerprint.without(fingerprint(root, ENTRIES), removed)
    assert compare(before, today) == "not verified"
    assert data_fingerprint.without(older(root), removed) == before
