"""The score on further images stands beside what one run is expected to score on so many of them."""

from typing import Any

import numpy as np
import pytest
from small_runs import spec_of
from stored_runs import Runs

from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.report.predictions.further_images import AgainstTruth, compare, describe
from dta_bench.report.predictions.truth import Truth

ROWS = {f"{i}.png": i for i in range(200)}


class Store(Runs):
    def runs(self, _: str) -> list[Any]:
        return self.tracked


def searched(unmeasured: tuple[str, ...] = (), seeds: int = 3) -> Store:
    store = Store()
    for method, rate in (("dta", 0.7), ("source_only", 0.5)):
        for seed in range(seeds):
            params = {"lambda_2": 0.01} if method == "dta" else {}
            store.add(spec_of(method, seed=seed, **params), rate + 0.01 * seed, unmeasured=unmeasured)
    return store


def against(store: Any, right: int, run: Any = None) -> AgainstTruth:
    """200 labelled images, so many of which are predicted right."""
    truth = Truth(benchmark_of("fonts_digits"), np.arange(200) % 10, ROWS)
    for name, row in ROWS.items():
        truth.count(name, row % 10 if row < right else (row + 1) % 10)
    return compare(truth, store, run or next(r for r in store.tracked if r.spec.method == "dta"), "labels")


@pytest.mark.parametrize(("right", "place"), [(142, "inside"), (20, "below"), (199, "above")])
def test_a_score_is_told_to_be_inside_or_outside(right: int, place: str) -> None:
    found = against(searched(), right)
    expected = found.one_run["accuracy"]
    low, high = expected.interval
    assert 55 < low < 71 < high < 88
    assert (expected.seeds, expected.fresh) == (3, False)
    (line,) = [one for one in describe(found) if one.startswith("accuracy")]
    assert f"accuracy on the 200 images with a label: {right / 2:.1f} %" in line
    assert f"it is {place}" in line
    assert ("unlike those of target test" in line) == (place != "inside")


def test_fresh_seeds_say_what_is_expected_where_there_are_some() -> None:
    store: Any = searched()
    for seed in (1000, 1001):
        for method, params in (("dta", {"lambda_2": 0.01}), ("source_only", {})):
            store.add(spec_of(method, seed=seed, **params), 0.66)
    found = against(store, 142)
    assert (found.one_run["accuracy"].seeds, found.one_run["accuracy"].fresh) == (2, True)
    assert any("fresh seeds" in line for line in describe(found))


def test_it_is_not_told_where_nothing_says_it() -> None:
    assert "no labelled target test" in describe(against(searched(("test",)), 100))[-1]
    assert "one seed does not say" in describe(against(searched(seeds=1), 100))[-1]
    truth = Truth(benchmark_of("fonts_digits"), np.arange(200) % 10, ROWS)
    assert describe(compare(truth, None, None, None)) == ["no prediction could be compared with a label"]
