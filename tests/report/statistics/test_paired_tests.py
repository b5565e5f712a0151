"""Paired tests between methods, against scipy and against closed testing."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from stored_runs import Runs

from dta_bench.report.configurations import group_runs
from dta_bench.report.statistics.intervals import Outcomes
from dta_bench.report.statistics.paired_tests import comparisons, holm, paired_test, satterthwaite

RNG = np.random.default_rng(0)


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
    assert holm(p_values) == pytest.approx(closed_testing(p_values))


def test_with_one_seed_it_is_the_paired_t_test_over_images() -> None:
    a, b = RNG.random(300) < 0.8, RNG.random(300) < 0.72
    paired = Outcomes((a.astype(float) - b)[None], np.zeros(300, dtype=np.int64))
    assert paired_test(paired, "accuracy") == pytest.approx(stats.ttest_rel(a.astype(float), b.astype(float)).pvalue)


def test_where_only_seeds_differ_it_is_the_paired_t_test_over_seeds() -> None:
    gains = np.array([0.02, 0.05, 0.03, 0.04])
    paired = Outcomes(np.repeat(gains[:, None], 50, axis=1), np.zeros(50, dtype=np.int64))
    assert paired_test(paired, "accuracy") == pytest.approx(stats.ttest_1samp(gains, 0).pvalue)


def test_degrees_of_freedom_are_welchs() -> None:
    a, b = RNG.normal(0, 1, 12), RNG.normal(0, 3, 30)
    welch = stats.ttest_ind(a, b, equal_var=False)
    found = satterthwaite([a.var(ddof=1) / 12, b.var(ddof=1) / 30], [11, 29])
    assert found == pytest.approx(welch.df)


def test_equal_methods_do_not_differ() -> None:
    nothing = Outcomes(np.zeros((3, 20)), np.zeros(20, dtype=np.int64))
    assert paired_test(nothing, "accuracy") == 1


def test_every_pair_of_methods_is_compared_and_corrected() -> None:
    runs = Runs()
    for method, rates in (("dta", [0.8, 0.82]), ("source_only", [0.5, 0.52]), ("dta_released", [0.8, 0.82])):
        runs.sweep(method, rates)
    found = comparisons(group_runs(runs, runs.tracked), "accuracy")  # type: ignore[arg-type]
    pairs = {(one.first, one.second): one for one in found}
    assert set(pairs) == {("dta", "source_only"), ("dta", "dta_released"), ("source_only", "dta_released")}
    assert pairs["dta", "source_only"].differs
    assert not pairs["dta", "dta_released"].differs
    assert all(one.p_holm >= one.p for one in found)
