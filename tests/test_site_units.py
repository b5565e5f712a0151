"""How many units dropout chooses among, and networks that do not fit a benchmark's images."""

from pathlib import Path

import pytest

from dta_bench.errors import UserError
from dta_bench.execution import site_units

PAIR = "source: a\ntarget: b\nclasses: [x, y]\nimage_size: 32\nlabels: 2\n"


def test_the_small_networks_masks_choose_among_its_64_maps_and_256_hidden_units() -> None:
    assert site_units("fonts_digits", "conv3_fc2") == {"delta_c": 64, "delta_e": 256}


def test_a_network_for_another_size_is_refused_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "thirty_two.yaml").write_text(PAIR)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"^conv3_fc2 takes no 32x32 images, the size of thirty_two: .*name another$"):
        site_units("thirty_two", "conv3_fc2")
