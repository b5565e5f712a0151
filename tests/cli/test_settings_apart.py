"""Rows of a list that would be equal are told apart by the settings in which their runs differ."""

import dataclasses

import pytest
from small_runs import spec_of

from dta_bench.cli.settings_apart import settings_apart
from dta_bench.spec.budget import Budget
from dta_bench.spec.run_spec import LabelSubset, RunSpec


def trained(**settings: object) -> RunSpec:
    return dataclasses.replace(spec_of(), training=spec_of().training.model_copy(update=settings))


@pytest.mark.parametrize(
    ("others", "said"),
    [
        pytest.param([trained(measure_every=4)], ["measure_every=1", "measure_every=4"], id="training"),
        pytest.param(
            [dataclasses.replace(spec_of(), weights="hub")], ["weights=none", "weights=hub"], id="weights"
        ),
        pytest.param(
            [dataclasses.replace(spec_of(), label_subset=LabelSubset(size=20, seed=3))],
            ["labels=40, labels_seed=0", "labels=20, labels_seed=3"],
            id="subset",
        ),
        pytest.param(
            [dataclasses.replace(spec_of(), budget=Budget(of="steps=50", lengths=(50.0,)))],
            ["budget=none", "budget=steps=50"],
            id="budget",
        ),
        pytest.param([], [""], id="it is alone"),
    ],
)  # fmt: skip
def test_the_settings_that_differ_are_named(others: list[RunSpec], said: list[str]) -> None:
    assert settings_apart([spec_of(), *others]) == said


def test_of_three_each_says_every_setting_in_which_two_differ() -> None:
    first, *rest = settings_apart([spec_of(), trained(measure_every=2), trained(learning_rate=0.5)])
    assert all("measure_every=" in said and "learning_rate=" in said for said in [first, *rest])
