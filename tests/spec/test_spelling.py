"""One spelling of metrics, methods, values and runs, and no other code that spells them."""

from pathlib import Path

import pytest

import dta_bench
from dta_bench.spec.spelling import (
    count_of,
    join_words,
    label_run,
    spell_gain,
    spell_gpu_hours,
    spell_method,
    spell_metric,
    spell_score_bounds,
    spell_value,
)

PACKAGE = Path(dta_bench.__file__).parent


@pytest.mark.parametrize(
    ("metric", "words"),
    [("accuracy", "accuracy"), ("mean_class_accuracy", "mean class accuracy"), ("miou", "mean IoU")],
)
def test_a_metric_is_spelled_in_words(metric: str, words: str) -> None:
    assert spell_metric(metric) == words


@pytest.mark.parametrize(
    ("number", "noun", "spelled"),
    [
        (1, "point", "1 point"), (0, "run", "0 runs"), (3, "entry", "3 entries"), (2, "day", "2 days"),
        (14, "other run", "14 other runs"),
    ],
)  # fmt: skip
def test_a_number_of_things_is_singular_only_for_one(number: int, noun: str, spelled: str) -> None:
    assert count_of(number, noun) == spelled


def test_words_are_joined_as_in_a_sentence() -> None:
    assert [join_words(words) for words in (["a"], ["a", "b"], ["a", "b", "c"])] == ["a", "a and b", "a, b and c"]


def test_the_interval_of_a_gain_is_cut_at_what_is_possible_and_said_in_words_where_it_says_nothing() -> None:
    assert spell_gain((-0.44, 2.0), 3) == "-0.4 to +2.0"
    assert spell_gain((20.0, 104.0), 3) == "+20.0 to +100.0"
    assert spell_gain((-110.0, 102.0)) == "too wide to say anything"
    assert spell_gain((-110.0, 102.0), 2) == "too wide to say anything with 2 seeds"


def test_the_interval_of_a_score_that_is_nearly_all_of_0_to_100_says_nothing() -> None:
    assert spell_score_bounds((57.3, 65.1), 2) == "57.3 to 65.1"
    assert spell_score_bounds((0.0, 100.0), 2) == "0.0 to 100.0, says nothing with 2 seeds"


def test_a_little_of_a_gpu_is_spelled_in_minutes() -> None:
    assert [spell_gpu_hours(hours) for hours in (0.001, 0.25, 12.34)] == [
        "less than 1 GPU minute", "15 GPU minutes", "12.3 GPU hours",
    ]  # fmt: skip


def test_only_baselines_are_spelled_with_a_hyphen() -> None:
    assert [spell_method(name) for name in ("source_only", "target_only", "dta_released")] == [
        "source-only", "target-only", "dta_released",
    ]  # fmt: skip


def test_a_value_is_spelled_as_short_as_it_can_be() -> None:
    assert [spell_value(value) for value in (2.0, 0.01, 15, "ones", True)] == ["2", "0.01", "15", "ones", "True"]


def test_a_label_has_method_backbone_parameters_and_seed_in_this_order() -> None:
    assert label_run("dta", {"lambda_2": 0.01, "epsilon": 15.0}, backbone="resnet50", seed=0) == (
        "dta resnet50 lambda_2=0.01 epsilon=15 seed=0"
    )
    assert label_run("source_only", {}) == "source_only"


@pytest.mark.parametrize("room", ["cli", "cost", "evaluation", "replay", "report", "run", "sweep", "tracking"])
def test_no_room_spells_metrics_or_values_by_itself(room: str) -> None:
    for path in (PACKAGE / room).rglob("*.py"):
        text = path.read_text()
        for own_spelling in ('replace("_", " ")', "mIoU", "class mean", "= {value:g}", "={value:g}"):
            assert own_spelling not in text, f"{path} spells by itself: {own_spelling}"
