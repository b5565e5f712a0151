"""What the command prints besides results: warnings of this package in one line, others as Python gives them."""

import warnings

import pytest

from dta_bench.cli import terminal


@pytest.fixture(autouse=True)
def own_format(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    terminal.print_own_warnings_as_notes()


def test_a_warning_of_this_package_is_a_note() -> None:
    file = str(terminal.PACKAGE / "data" / "image_cache.py")
    assert warnings.formatwarning("images are not kept", UserWarning, file, 7) == "note: images are not kept\n"


@pytest.mark.parametrize(
    ("category", "file"), [(UserWarning, "/lib/torch/x.py"), (DeprecationWarning, str(terminal.PACKAGE / "x.py"))]
)
def test_other_warnings_keep_their_form(category: type[Warning], file: str) -> None:
    assert warnings.formatwarning("old", category, file, 7).startswith(f"{file}:7: {category.__name__}: old")
