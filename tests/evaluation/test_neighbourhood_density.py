"""The criteria computed in blocks are those of the definition."""

from __future__ import annotations

import numpy as np
import pytest

from dta_bench.evaluation import label_free, neighbourhood_density


@pytest.mark.parametrize(("count", "scale"), [(2, 1.0), (127, 3.0), (128, 1e-4), (300, 100.0), (2101, 5.0)])
def test_every_criterion_is_the_same_to_rounding(count: int, scale: float) -> None:
    logits = (scale * np.random.default_rng(count).normal(size=(count, 7))).astype(np.float32)
    expected = label_free.label_free_criteria(logits)
    found = neighbourhood_density.label_free_criteria(logits)
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert list(found) == list(expected)
