"""When a run is stopped early: by successive halving on the labelled subset, or by collapse, without any label."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dta_bench.errors import UserError
from dta_bench.sweep.stop_rules import Asha, Collapse, EpochSummary, reason_to_stop, stop_rules


def at(epoch: int, score: float = 50.0, classes: float = 10, entropy: float = 0.5) -> EpochSummary:
    return EpochSummary(epoch, score, classes, entropy)


def test_rungs_begin_at_the_grace_period_and_end_before_the_last_epoch() -> None:
    assert Asha(epochs=20, grace=6, reduction=2).rungs() == [6, 12]
    assert Asha(epochs=10, grace=3, reduction=2).rungs() == [3, 6]
    assert Asha(epochs=12, grace=6, reduction=2).rungs() == [6]
    assert Asha(epochs=1, grace=1).rungs() == []


def test_a_rung_at_an_epoch_that_is_not_measured_moves_to_the_next_that_is() -> None:
    assert Asha(epochs=20, grace=6, reduction=2, measure_every=5).rungs() == [10, 15]
    assert Asha(epochs=20, grace=6, reduction=2, measure_every=20).rungs() == []


def test_asha_compares_scores_of_the_same_epoch_only() -> None:
    asha = Asha(epochs=10, grace=3, reduction=2)
    assert not asha.reason_to_stop("done", at(10, 99))  # a final score is not compared at a rung
    assert not asha.reason_to_stop("first", at(3, 40))  # the first to come goes on
    assert not asha.reason_to_stop("better", at(3, 60))
    assert "2 of 3 runs had a better score" in asha.reason_to_stop("worse", at(3, 30))
    assert not asha.reason_to_stop("worse", at(4, 0))  # not a rung
    assert not asha.reason_to_stop("first", at(6, 10))


@given(st.lists(st.floats(0, 100), min_size=1, max_size=40, unique=True))
def test_at_a_rung_a_run_goes_on_if_it_is_in_the_better_half_so_far(scores: list[float]) -> None:
    asha = Asha(epochs=10, grace=3, reduction=2)
    for n, score in enumerate(scores, start=1):
        stopped = bool(asha.reason_to_stop(str(n), at(3, score)))
        place = sorted(scores[:n], reverse=True).index(score) + 1
        assert stopped == (place > math.ceil(n / 2))


def test_a_run_that_reports_an_epoch_again_after_a_restart_is_counted_once() -> None:
    asha = Asha(epochs=10, grace=3, reduction=2)
    for _ in range(3):
        asha.reason_to_stop("a", at(3, 90))
    assert not asha.reason_to_stop("b", at(3, 50)) or len(asha.scores[3]) == 2
    assert len(asha.scores[3]) == 2


def test_collapse_needs_few_classes_for_two_epochs_after_the_grace_period() -> None:
    rule = Collapse(classes=10, grace=3)
    assert not rule.reason_to_stop("a", at(1, classes=1))
    assert not rule.reason_to_stop("a", at(2, classes=1))  # collapsed, but within grace
    assert rule.reason_to_stop("a", at(3, classes=1)) == "collapse: 1 of 10 classes in use"
    assert not rule.reason_to_stop("b", at(3, classes=4))
    assert not rule.reason_to_stop("b", at(4, classes=5))  # half of the classes is no collapse
    assert not rule.reason_to_stop("b", at(5, classes=4))
    assert rule.reason_to_stop("b", at(6, classes=4))


def test_predictions_close_to_uniform_are_a_collapse_too() -> None:
    rule = Collapse(classes=10, grace=1)
    assert not rule.reason_to_stop("a", at(2, entropy=2.25))
    assert "mean entropy 2.25 nats of at most 2.30" in rule.reason_to_stop("a", at(3, entropy=2.25))
    assert not rule.reason_to_stop("b", at(2, entropy=math.nan))
    assert rule.reason_to_stop("b", at(3, entropy=math.nan))


@given(st.floats(0, 100), st.integers(1, 10))
def test_collapse_stopping_never_looks_at_the_labelled_subset(score: float, epoch: int) -> None:
    low, high = Collapse(10, 1), Collapse(10, 1)
    for e in range(1, epoch + 1):
        assert bool(low.reason_to_stop("a", at(e, 0.0, classes=3))) == bool(
            high.reason_to_stop("a", at(e, score, classes=3))
        )


def test_rules_have_names_and_none_stands_alone() -> None:
    assert stop_rules(("none",), 10, 10) == []
    assert reason_to_stop([], "a", at(3)) == ""
    assert len(stop_rules(("asha", "collapse"), 10, 10)) == 2
    with pytest.raises(UserError, match="--stop early is not known; it takes none, asha, collapse"):
        stop_rules(("early",), 10, 10)
    with pytest.raises(UserError, match="takes none alone"):
        stop_rules(("none", "asha"), 10, 10)
