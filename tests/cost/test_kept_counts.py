"""Counts that are kept: found again, made anew when what they depend on changes, and never in the way."""

import functools
from pathlib import Path

import pytest

from dta_bench.cost import kept_counts
from dta_bench.cost.kept_counts import kept


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DTA_BENCH_CACHE", str(tmp_path / "cache"))


def count_again() -> float:
    raise AssertionError("it was counted again")


def test_a_count_is_found_again_as_it_was() -> None:
    assert kept(("dta", 1), [], lambda: 3.8000000000000003) == 3.8000000000000003
    assert kept(("dta", 1), [], count_again) == 3.8000000000000003


def test_another_configuration_is_counted() -> None:
    kept(("dta", 1), [], lambda: 3.8)
    assert kept(("dta", True, 2), [], lambda: 2.5) == 2.5


@pytest.mark.parametrize("changed", ["mine.py", "beside.py"])
def test_a_plug_in_that_changed_or_that_it_may_import_is_counted_anew(tmp_path: Path, changed: str) -> None:
    for name in ("mine.py", "beside.py"):
        (tmp_path / name).write_text("first = 1")
    file = tmp_path / "mine.py"
    assert kept(("mine",), [file], lambda: 1.0) == 1.0
    (tmp_path / changed).write_text("second = 2")
    kept_counts._digest_beside.cache_clear()
    assert kept(("mine",), [file], lambda: 2.0) == 2.0


def test_a_count_during_which_the_program_was_edited_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The count may be of the code before, and the kept digest of the code after."""
    module = tmp_path / "package" / "module.py"
    module.parent.mkdir()
    module.write_text("first = 1")
    monkeypatch.setattr(kept_counts.plugins, "PACKAGE", module.parent)
    monkeypatch.setattr(kept_counts, "_package_at_first", functools.cache(kept_counts._package_at_first.__wrapped__))
    assert kept(("dta",), [], lambda: float(module.write_text("second = 2"))) == 10.0
    assert kept(("dta",), [], lambda: 3.8) == 3.8


def test_a_broken_file_is_counted_anew(tmp_path: Path) -> None:
    kept(("dta",), [], lambda: 3.8)
    for file in (tmp_path / "cache").rglob("*.json"):
        file.write_text("{")
    assert kept(("dta",), [], lambda: 3.9) == 3.9


def test_without_a_cache_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DTA_BENCH_CACHE", "off")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert kept(("dta",), [], lambda: 3.8) == 3.8
    assert not list(tmp_path.rglob("*.json"))


def test_a_failed_count_is_not_kept() -> None:
    with pytest.raises(ZeroDivisionError):
        kept(("dta",), [], lambda: 1 / 0)
    assert kept(("dta",), [], lambda: 3.8) == 3.8


def test_the_folder_is_this_users_alone(tmp_path: Path) -> None:
    kept(("dta",), [], lambda: 3.8)
    (folder,) = (tmp_path / "cache").iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_planted_folder_is_neither_read_nor_written(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    kept(("dta",), [], lambda: 3.8)
    (folder,) = (tmp_path / "cache").iterdir()
    for file in folder.iterdir():
        file.rename(elsewhere / file.name)
    folder.rmdir()
    folder.symlink_to(elsewhere)
    before = sorted(elsewhere.iterdir())
    assert kept(("dta",), [], lambda: 2.5) == 2.5
    assert sorted(elsewhere.iterdir()) == before
