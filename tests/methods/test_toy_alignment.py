"""On points, methods that align domains or smooth predictions: none harms, and each helps where its principle must.

Three moved clouds (a shift that BatchNorm's statistics mostly mend), clouds moved across the border (no BatchNorm, so
that it is the term that helps), and two moons turned by 30 degrees, whose gap a smooth prediction must not cross.
"""

from __future__ import annotations

import pytest
import toy_problems

pytestmark = pytest.mark.slow

SMOOTH = {"epsilon": 0.3}  # the points are a few units apart; 3.5 is for standardised images
VADA = SMOOTH | {"alpha": 0.9}  # 120 steps are too few for an average over 500
PARAMS: dict[str, dict[str, float]] = {
    "dann": {}, "dan": {}, "cdan": {}, "mcd": {}, "adr": {}, "se": {}, "jan": {}, "rtn": {},
    "vat": SMOOTH | {"lambda_2": 0.1, "lambda_3": 1.0}, "vada": VADA | {"lambda_t": 0.1}, "dirt_t": VADA,
}  # fmt: skip


@pytest.mark.parametrize("method", PARAMS)
def test_it_is_no_worse_than_source_only_on_moved_clouds(method: str) -> None:
    assert toy_problems.mean_accuracy(method, "blobs", **PARAMS[method]) >= toy_problems.mean_accuracy(
        "source_only", "blobs"
    )


@pytest.mark.parametrize(("method", "gain"), [("dann", 3), ("dan", 10), ("jan", 10)])
def test_aligning_helps_where_clouds_moved_across_the_border(method: str, gain: float) -> None:
    aligned, without = (toy_problems.mean_accuracy(method, "far", normed=False, weight=weight) for weight in (1.0, 0.0))
    assert aligned > without + gain


@pytest.mark.parametrize(("method", "gain"), [("mcd", 8), ("se", 3), ("vat", 10), ("vada", 8)])
def test_smooth_predictions_help_between_turned_moons(method: str, gain: float) -> None:
    found = toy_problems.mean_accuracy(method, "moons", **PARAMS[method])
    assert found > toy_problems.mean_accuracy("source_only", "moons") + gain


@pytest.mark.parametrize("method", ["cdan", "adr", "rtn"])
def test_it_closes_more_than_half_of_the_gap_that_a_moved_cloud_opens(method: str) -> None:
    lost = 100 - toy_problems.mean_accuracy("source_only", "blobs")
    assert 100 - toy_problems.mean_accuracy(method, "blobs", **PARAMS[method]) < lost / 2
