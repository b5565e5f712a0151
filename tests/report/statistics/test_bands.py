"""Letters beside a ranking, against every pair and every subset of methods."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from dta_bench.report.statistics.bands import letters

METHODS = ["a1", "b2", "c3", "d4", "e5", "f6"]
PAIRS = list(itertools.combinations(METHODS, 2))


@given(st.sets(st.sampled_from(PAIRS)))
def test_two_methods_share_a_letter_exactly_where_no_difference_is_shown(different: set[tuple[str, str]]) -> None:
    found = letters(METHODS, different)
    for one, other in PAIRS:
        assert bool(set(found[one]) & set(found[other])) == ((one, other) not in different)


@given(st.sets(st.sampled_from(PAIRS)))
def test_every_letter_is_a_group_as_large_as_can_be(different: set[tuple[str, str]]) -> None:
    found = letters(METHODS, different)
    groups = [{m for m in METHODS if letter in found[m]} for letter in set("".join(found.values()))]
    alike = [
        set(group)
        for size in range(1, 7)
        for group in itertools.combinations(METHODS, size)
        if not set(itertools.combinations(group, 2)) & different
    ]
    largest = [group for group in alike if not any(group < other for other in alike)]
    assert sorted(map(sorted, groups)) == sorted(map(sorted, largest))


def test_the_best_has_the_letter_a() -> None:
    assert letters(["x", "y", "z"], [("x", "y"), ("x", "z")]) == {"x": "a", "y": "b", "z": "b"}


def test_where_nothing_differs_all_share_one_letter() -> None:
    assert set(letters(METHODS, []).values()) == {"a"}
