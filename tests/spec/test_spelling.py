"""One spelling of metrics, methods, values and runs, and no other code that spells them."""

from pathlib import Path

import pytest

import dta_bench
from dta_bench.spec.spelling import label_run, spell_method, spell_metric, spell_value

PACKAGE = Path(dta_bench.__file__).parent


@pytest.mark.parametrize(
    ("metric", "words"),
    [("accuracy", "accuracy"), ("mean_class_accuracy", "mean class accuracy"), ("miou", "mean IoU")],
)
def test_a_metric_is_spelled_in_words(metric: str, words: str) -> None:
    assert spell_metric(metric) == words


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
