"""What a sweep is called: its folders and its page get that name."""

import shutil
from pathlib import Path

import pytest

from dta_bench.spec import search_space_file
from dta_bench.sweep.choose_runs import for_benchmark


@pytest.mark.parametrize("place", ["", "/elsewhere/", "../outside/"])
def test_a_sweep_of_a_file_is_called_as_the_file_is_wherever_it_lies(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    shipped = search_space_file.plugins.path("search_space", "fonts_digits")
    given = f"{tmp_path}{place}mine.yaml" if place.startswith("/") else f"{place}mine.yaml"
    Path(given).parent.mkdir(exist_ok=True)
    shutil.copy(shipped, given)
    assert for_benchmark(given, None)[0] == "mine.yaml"
    assert for_benchmark(given, "digits")[0] == "mine_digits"
