"""Which methods stand beside the others in a report, and which of them train nothing."""

from __future__ import annotations

from collections.abc import Iterable

from dta_bench.spec.declared_method import trains_nothing

TRAINED = ("source_only", "target_only")


def is_baseline(method: str) -> bool:
    """Whether a method is shown beside the others and never competes for selection: also any that trains nothing."""
    return method in TRAINED or trains_nothing(method)


def baselines(methods: Iterable[str]) -> frozenset[str]:
    """The baselines among some methods."""
    return frozenset(filter(is_baseline, set(methods)))


def is_in_tests_of_a_suite(method: str) -> bool:
    """Whether a suite's paired tests have a method: not the upper bound, nor what trains nothing."""
    return method != "target_only" and not trains_nothing(method)
