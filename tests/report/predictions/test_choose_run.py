"""``--best`` is the choice of the report: its confirmation runs' lowest seed, else the search's."""

from typing import Any

import pytest
from small_runs import spec_of
from stored_runs import Runs, report_of

from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.errors import UserError
from dta_bench.report.predictions.choose_run import choose_run


class Store(Runs):
    """Runs in a store that can be asked for a benchmark's."""

    uri = "sqlite:///store"

    def runs(self, _: str) -> list[Any]:
        return self.tracked


def searched() -> Store:
    store = Store()
    store.sweep("dta", [0.5, 0.6], subset=40, source=60, params={"lambda_2": 0.01})
    store.sweep("dta", [0.7, 0.8], subset=70, source=50, params={"lambda_2": 0.02})
    store.sweep("source_only", [0.4, 0.4], subset=90, source=90)
    return store


@pytest.mark.parametrize(("rule", "lambda_2"), [("labels", 0.02), ("source", 0.01), ("oracle", 0.02)])
def test_it_is_the_lowest_seed_of_what_the_rule_chooses_in_a_report(rule: str, lambda_2: float) -> None:
    store: Any = searched()
    found = choose_run(store, "fonts_digits", rule)
    assert found.run.run_id == spec_of("dta", seed=0, lambda_2=lambda_2).id
    report = report_of(store, benchmark_of("fonts_digits"), rule)
    assert found.run.mlflow_run_id in report.leaderboard[0].mlflow_run_ids
    assert f"chosen by rule {rule} among 2 configurations; its lowest seed" in found.how


def test_source_only_that_is_better_by_the_rule_is_told_with_its_run() -> None:
    store: Any = searched()
    said = choose_run(store, "fonts_digits", "labels").how
    baseline = spec_of("source_only", seed=0).id
    assert "source_only, a baseline that never competes to be chosen, is better by this rule" in said
    assert f"run {baseline} in place of --best" in said
    assert "never competes" not in choose_run(store, "fonts_digits", "oracle").how


def test_confirmation_runs_come_before_those_of_the_search() -> None:
    store: Any = searched()
    for seed in (1001, 1000):
        store.add(spec_of("dta", seed=seed, lambda_2=0.02), 0.5)
    found = choose_run(store, "fonts_digits", "labels")
    assert found.run.spec.seed == 1000
    assert "the lowest seed of its confirmation runs" in found.how


def test_a_baseline_is_no_choice_and_all_is_no_rule() -> None:
    store: Any = Store()
    store.sweep("source_only", [0.4])
    with pytest.raises(UserError, match="only baselines"):
        choose_run(store, "fonts_digits", "labels")
    with pytest.raises(UserError, match="one of them"):
        choose_run(store, "fonts_digits", "all")
    with pytest.raises(UserError, match="no finished run"):
        choose_run(Store(), "fonts_digits", "labels")  # type: ignore[arg-type]
