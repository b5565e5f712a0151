"""``image_list.txt``: read in its order, or refused with the line that is wrong."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dta_bench.benchmarks import _image_lists
from dta_bench.errors import UserError

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
