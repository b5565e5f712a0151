"""Errors of a user's plug-in: whose line it was, and what mends it."""

from pathlib import Path

import pytest

from dta_bench.errors.plugin_errors import explain


def failing(source: str, file: Path) -> Exception:
    """The error of a file's code, as it is when the file is imported and called."""
    file.write_text(source)
    try:
        exec(compile(source, str(file), "exec"), {})
    except Exception as error:
        return error
    raise AssertionError("it does not fail")


def test_the_last_line_of_the_plug_in_is_named_not_that_of_a_library(tmp_path: Path) -> None:
    error = failing("import json\n\njson.loads('{')\n", tmp_path / "mine.py")
    said = explain(error, [tmp_path / "mine.py"])
    assert said.startswith(f"{tmp_path / 'mine.py'}, line 3: JSONDecodeError: Expecting property name")


def test_an_error_elsewhere_is_none_of_the_plug_ins(tmp_path: Path) -> None:
    assert explain(failing("1 / 0", tmp_path / "mine.py"), [tmp_path / "other.py"]) == ""


@pytest.mark.parametrize(
    ("source", "cure"),
    [
        ("class P:\n    weight = 1\nP().weigth", "did you mean weight?"),
        ("weight = 1\nweigth + 1", "did you mean weight?"),
        ("raise IndexError('Target 255 is out of bounds.')", 'write tasks = ("classification",) at the top'),
        ("raise RuntimeError('Expected all tensors to be on the same device, but ...')", "device=images.device"),
        ("raise ValueError('something else')", ""),
    ],
)
def test_the_cure_is_told_where_it_is_known(source: str, cure: str, tmp_path: Path) -> None:
    said = explain(failing(source, tmp_path / "mine.py"), [tmp_path / "mine.py"])
    assert said.endswith(cure) if cure == "" or cure.endswith("?") else cure in said
