"""A path that is typed in another Unicode form than the disk's is the same path."""

from pathlib import Path

import pytest

from dta_bench.domains import typed_paths

NFC, NFD = "caf\u00e9", "cafe\u0301"


@pytest.mark.parametrize(("on_disk", "typed"), [(NFC, NFD), (NFD, NFC)])
def test_each_part_meets_its_name_on_disk(tmp_path: Path, on_disk: str, typed: str) -> None:
    (tmp_path / on_disk / on_disk).mkdir(parents=True)
    assert typed_paths.absolute(tmp_path / typed / typed) == tmp_path / on_disk / on_disk


def test_parts_that_are_not_there_yet_stay_as_they_were_typed(tmp_path: Path) -> None:
    (tmp_path / NFD).mkdir()
    assert typed_paths.absolute(tmp_path / NFC / "new" / NFC) == tmp_path / NFD / "new" / NFC
    assert typed_paths.absolute(tmp_path / "nowhere" / ".." / "new") == tmp_path / "new"


def test_of_two_folders_that_differ_in_form_alone_the_typed_one_is_taken(tmp_path: Path) -> None:
    for name in (NFC, NFD):
        (tmp_path / name).mkdir()
        assert typed_paths.absolute(tmp_path / name) == tmp_path / name


def test_a_relative_path_and_a_link_lead_where_they_always_led(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "far" / "deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "far" / "deep")
    monkeypatch.chdir(tmp_path)
    assert typed_paths.absolute(Path("link") / "..") == tmp_path / "far"
