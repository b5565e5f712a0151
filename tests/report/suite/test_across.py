"""Across pairs: ranks, win rates and profiles against brute force, and why no test stands beside them."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import friedmanchisquare

from dta_bench.report.suite.across import across_pairs

SCORES = st.integers(0, 10).map(float)
TABLES = st.integers(2, 5).flatmap(
    lambda pairs: st.lists(st.lists(SCORES, min_size=pairs, max_size=pairs), min_size=2, max_size=4)
)


@given(TABLES)
def test_ranks_wins_and_profiles_are_those_that_counting_gives(table: list[list[float]]) -> None:
    found = across_pairs({f"m{i}": row for i, row in enumerate(table)})
    assert found is not None
    columns = list(zip(*table, strict=True))
    for i in range(len(table)):
        ranks = [1 + sum(o > c[i] for o in c) + (sum(o == c[i] for o in c) - 1) / 2 for c in columns]
        assert found.ranks[f"m{i}"] == pytest.approx(np.mean(ranks))
        for j in set(range(len(table))) - {i}:
            wins = [1.0 if c[i] > c[j] else 0.5 if c[i] == c[j] else 0.0 for c in columns]
            assert found.wins[f"m{i}"][f"m{j}"] == pytest.approx(np.mean(wins))
        assert found.within[f"m{i}"]["2"] == pytest.approx(np.mean([max(c) - c[i] <= 2 for c in columns]))
    assert sum(found.ranks.values()) == pytest.approx(len(table) * (len(table) + 1) / 2)


@pytest.mark.parametrize("scores", [{}, {"dta": [1.0, 2.0]}, {"dta": [1.0], "source_only": [2.0]}])
def test_one_method_or_one_pair_is_nothing_to_rank(scores: dict[str, list[float]]) -> None:
    assert across_pairs(scores) is None


def false_positives(domains: int, methods: int, worlds: int) -> float:
    """How often Friedman's test calls equal methods different, where each domain suits each method by chance."""
    rng, pairs, hits = np.random.default_rng(0), list(permutations(range(domains), 2)), 0
    for _ in range(worlds):
        as_source, as_target = rng.normal(0, 1, (2, domains, methods))
        table = np.array([as_source[a] + as_target[b] + rng.normal(0, 1, methods) for a, b in pairs])
        hits += friedmanchisquare(*table.T).pvalue < 0.05
    return hits / worlds


@pytest.mark.parametrize(("domains", "least", "most"), [(3, 0.12, 0.25), (8, 0.6, 0.8)])
def test_the_usual_test_does_not_hold_where_pairs_share_domains_so_none_is_shown(
    domains: int, least: float, most: float
) -> None:
    assert least < false_positives(domains, 5, 300) < most
    found = across_pairs({"dta": [1.0, 2.0], "source_only": [2.0, 1.0]})
    assert found is not None
    assert not found.tested
    assert "18 % of suites of 3 domains and in 69 % of 8." in found.why_not_tested
