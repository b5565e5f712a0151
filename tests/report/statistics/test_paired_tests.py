"""Tests of pairs against scipy's, against closed testing, against all permutations; and that they never contradict."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from dta_bench.report.document.scores import Comparison
from dta_bench.report.statistics.crossed_model import CrossedModel, crossed_model, evidence
from dta_bench.report.statistics.outcomes import Outcomes
from dta_bench.report.statistics.pair_model import all_pairs
from dta_bench.report.statistics.paired_tests import comparisons, holm

NAMES = [f"m{i}" for i in range(30)]


def of_scores(*methods: list[float], images: int = 5000) -> CrossedModel:
    """Methods of which all seeds predict alike but for their score in percent; images decide nothing."""
    found = []
    for scores in methods:
        values = np.repeat(np.array(scores)[:, None] / 100, images, axis=1)
        found.append(evidence(Outcomes(values, np.zeros(images, np.int64)), "accuracy"))
    return crossed_model(found)


def compared(model: CrossedModel) -> list[Comparison]:
    return comparisons(NAMES[: len(model.seeds)], model, "accuracy")


def drawn(methods: int, seeds: int, seed: int, spread: float, apart: float) -> CrossedModel:
    rng = np.random.default_rng(seed)
    rates = np.clip(0.6 + apart * np.arange(methods)[:, None] + spread * rng.standard_normal((methods, seeds)), 0, 1)
    hard = rng.random(200) < 0.2
    values = (rng.random((methods, seeds, 200)) < rates[..., None]) & ~hard
    return crossed_model([evidence(Outcomes(v.astype(float), np.zeros(200, np.int64)), "accuracy") for v in values])


def closed_testing(p_values: list[float]) -> list[float]:
    """Holm's is the closed test of Bonferroni's: a hypothesis' p is the worst of all sets that hold it."""
    indices = range(len(p_values))
    return [
        max(
            min(1.0, len(group) * min(p_values[j] for j in group))
            for size in range(1, len(p_values) + 1)
            for group in itertools.combinations(indices, size)
            if i in group
        )
        for i in indices
    ]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_is_closed_testing_with_bonferroni(p_values: list[float]) -> None:
    assert holm(np.array(p_values)) == pytest.approx(closed_testing(p_values))


def test_pairs_without_a_p_value_take_no_part_in_the_correction() -> None:
    found = holm(np.array([0.01, np.nan, 0.04]))
    assert found[[0, 2]] == pytest.approx([0.02, 0.04])
    assert np.isnan(found[1])


def test_two_methods_of_like_variance_have_students_p_value() -> None:
    one, other = [70.0, 72.0, 71.0, 73.0], [74.0, 75.5, 76.0, 74.5]
    moderated, _ = all_pairs(of_scores(one, other)).p_values()
    assert moderated == pytest.approx([stats.ttest_ind(one, other).pvalue], rel=1e-6)


def test_of_many_seeds_their_interval_is_students_too() -> None:
    one, other = [70.0, 72.0, 71.0, 73.0, 71.5, 72.5] * 3, [74.0, 75.5, 76.0, 74.5, 75.0, 73.0] * 3
    found = compared(of_scores(one, other))[0]
    low, high = stats.ttest_ind(one, other).confidence_interval()
    assert found.ci95 == pytest.approx((low, high), rel=1e-6)


def test_it_agrees_with_the_test_of_all_permutations_of_two_methods() -> None:
    """Seven seeds each, 3,432 permutations: the exact p value of the same statistic."""
    rng = np.random.default_rng(5)
    for shift in (0.0, 1.5, 3.0):
        one, other = rng.normal(70, 2, 7), rng.normal(70 + shift, 2, 7)
        exact = stats.permutation_test((one, other), lambda a, b: np.mean(a) - np.mean(b), n_resamples=np.inf).pvalue
        moderated, _ = all_pairs(of_scores(list(one), list(other))).p_values()
        assert moderated[0] == pytest.approx(exact, abs=0.03)


def test_with_one_seed_nothing_is_claimed_however_far_apart_two_methods_are() -> None:
    found = compared(of_scores([20.0], [90.0]))[0]
    assert (found.p, found.p_holm, found.differs) == (None, None, False)
    assert found.over == "images"


def collapsed_twice(seeds: int) -> CrossedModel:
    model = of_scores([10.0] * seeds, [70.0, 72.0, 71.0], [70.5, 71.0, 73.0])
    return dataclasses.replace(model, collapsed=np.array([seeds, 0, 0]))


def test_of_two_runs_that_both_collapsed_nothing_is_claimed() -> None:
    found = compared(collapsed_twice(2))
    assert [pair.differs for pair in found] == [False, False, False]
    assert [pair.p is None for pair in found] == [True, True, False]
    assert [pair.over for pair in found] == ["images", "images", "seeds and images"]
    assert found[0].seeds_needed is not None
    assert found[0].seeds_needed.at_least == 3


def test_three_runs_that_all_collapsed_are_a_difference() -> None:
    assert [pair.differs for pair in compared(collapsed_twice(3))] == [True, True, False]


def test_one_methods_single_seed_leaves_the_other_pairs_tested() -> None:
    found = {(c.first, c.second): c for c in compared(of_scores([70.0, 71.0], [70.5, 71.5], [90.0]))}
    assert found["m0", "m1"].p is not None
    assert found["m0", "m2"].p is None


def test_seeds_that_agree_by_chance_are_not_trusted_to_agree_always() -> None:
    """Two seeds at 75.0 and 75.1 against two at 78.0 and 78.1, among methods that spread by three points."""
    others = [[70.0, 76.0], [73.0, 79.0], [72.0, 77.5], [71.0, 77.0]]
    found = compared(of_scores([75.0, 75.1], [78.0, 78.1], *others))
    assert not found[0].differs


def test_methods_without_any_difference_have_p_1() -> None:
    assert compared(of_scores([70.0, 70.0], [70.0, 70.0]))[0].p == 1


@settings(deadline=None, max_examples=60)
@given(
    st.integers(2, 6), st.integers(2, 5), st.integers(0, 10_000), st.sampled_from([0.005, 0.05]),
    st.sampled_from([0.0, 0.03]),
)  # fmt: skip
def test_a_pair_that_differs_has_an_interval_without_zero(
    methods: int, seeds: int, seed: int, spread: float, apart: float
) -> None:
    for pair in compared(drawn(methods, seeds, seed, spread, apart)):
        low, high = pair.ci95
        assert pair.p <= pair.p_holm
        assert (pair.p < 0.05) == (low > 0 or high < 0)
        assert not pair.differs or low > 0 or high < 0
        assert pair.differs == (pair.seeds_needed is None)


def test_the_order_of_methods_changes_no_p_value() -> None:
    scores = [[70.0, 72.0], [75.0, 78.0], [74.0, 74.5]]
    forward = {frozenset((c.first, c.second)): c.p_holm for c in compared(of_scores(*scores))}
    turned = comparisons(["m2", "m1", "m0"], of_scores(*scores[::-1]), "accuracy")
    assert {frozenset((c.first, c.second)): c.p_holm for c in turned} == pytest.approx(forward)


def test_fewer_seeds_are_needed_the_larger_the_difference() -> None:
    near, far = (compared(of_scores([70.0, 74.0], [70.0 + d, 74.0 + d]))[0].seeds_needed for d in (1.0, 4.0))
    assert near.as_seen is None or near.as_seen > far.as_seen
    assert far.at_least <= far.as_seen


def test_more_seeds_are_needed_than_have_not_shown_the_difference() -> None:
    for seed in range(20):
        for pair in compared(drawn(4, 3, seed, 0.03, 0.0)):
            needed = pair.seeds_needed
            assert needed is None or needed.at_least is None or needed.at_least > 3


def test_with_as_many_seeds_as_are_said_to_be_needed_the_difference_is_shown() -> None:
    """The same spread and the same difference, with the number of seeds that two seeds each asked for."""

    def spread_out(mean: float, seeds: int) -> list[float]:
        places = stats.norm.ppf((np.arange(seeds) + 0.5) / seeds)
        return list(mean + 2 * places / places.std(ddof=1))

    few = compared(of_scores(spread_out(70, 3), spread_out(73, 3)))[0]
    assert not few.differs
    needed = few.seeds_needed.as_seen
    assert compared(of_scores(spread_out(70, needed), spread_out(73, needed)))[0].differs
    assert not compared(of_scores(spread_out(70, needed - 1), spread_out(73, needed - 1)))[0].differs
