"""What profile data measures: every row and ratio, on files and in memory; no figure of time is held to anything."""

from pathlib import Path

import fake_datasets
import pytest

from dta_bench.benchmarks import _visda
from dta_bench.cost import data_path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    fake_datasets.visda(tmp_path, _visda.CLASSES, per_class=2, size=(40, 60))
    return tmp_path


def test_images_in_files_have_every_rate_and_ratio(root: Path) -> None:
    found = data_path.data_costs("visda", root, "timm/lcnet_035", batch=4, images=4, workers=1, rounds=1)
    assert set(found["rates"]) == set(data_path.RATE_LABELS)
    assert set(found["ratios"]) == set(found["met"]) == set(data_path.BARS) == set(data_path.RATIO_LABELS)
    assert all(rate > 0 for rate in found["rates"].values())
    assert 0 <= found["ratios"]["waiting"] <= 1
    assert (found["workers"], found["in_memory"]) == (1, False)


@pytest.mark.parametrize(("bar", "value", "met"), [
    ("waiting", 0.049, True), ("waiting", 0.05, False), ("cached_over_decoded", 5.0, True),
    ("pipeline_over_bare", 0.89, False), ("pipeline_over_bare", None, None),
])  # fmt: skip
def test_a_bar_is_met_or_not(bar: str, value: float | None, met: bool | None) -> None:
    assert data_path._met(bar, value) is met
