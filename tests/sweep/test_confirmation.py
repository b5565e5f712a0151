"""Confirmation runs: of what is chosen of each method, with seeds that no rule reads, in the same sweep."""

from pathlib import Path
from typing import Any

import pytest
from stored_runs import finish

from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.spec import search_space_file
from dta_bench.spec.plan import Options, Plan
from dta_bench.spec.run_spec import RunSpec
from dta_bench.sweep.choose_runs import make_plan
from dta_bench.sweep.confirmation import (
    chosen_configurations,
    confirmation_plan,
    describe_confirmation,
    expect_runs,
    reported_runs,
)
from dta_bench.sweep.done_runs import state_of
from dta_bench.sweep.work import choose_work
from dta_bench.tracking import CONFIRM, Tracker


@pytest.fixture
def tracker(tmp_path: Path) -> Tracker:
    tracker = Tracker(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path)
    tracker.check()
    tracker.experiment(benchmark_of("fonts_digits"))
    return tracker


def plan_of(**options: Any) -> Plan:
    wanted: dict[str, Any] = {"points": 2, "seeds": 1, "confirm": 2} | options
    return make_plan("fonts_digits", search_space_file.read("fonts_digits"), Options(**wanted))


def finish_all(tracker: Tracker, plan: Plan, rates: dict[str, float]) -> None:
    """Store all runs of the search; a run's rate of success is the last one whose key is in its name."""
    for run in plan.runs:
        finish(tracker, run, [rate for part, rate in rates.items() if part in plan.run_name(run)][-1])


def kinds(plan: Plan, runs: tuple[RunSpec, ...]) -> list[str]:
    return [plan.run_name(run) for run in runs]


def test_the_choice_of_each_method_and_each_baseline_is_confirmed_once_per_seed(tracker: Tracker) -> None:
    plan = plan_of(methods=("dta_released", "dann", "target_only"), points=2)
    finish_all(tracker, plan, {"": 0.4, "class_balance=0.1": 0.8})
    confirming = confirmation_plan(plan, tracker)
    assert confirming is not None
    by_method: dict[str, list[int]] = {}
    for run in confirming.runs:
        by_method.setdefault(run.method, []).append(run.seed)
    assert by_method == {m: [1000, 1001] for m in ("dta_released", "source_only", "target_only", "dann")}
    assert {run.params["class_balance"] for run in confirming.runs if run.method == "dta_released"} == {0.1}


def test_nothing_is_confirmed_before_the_search_has_a_finished_run_or_if_nobody_asked(tracker: Tracker) -> None:
    assert confirmation_plan(plan_of(), tracker) is None
    plan = plan_of(confirm=0)
    finish_all(tracker, plan, {"": 0.5})
    assert confirmation_plan(plan, tracker) is None
    assert reported_runs(plan) == {run.id for run in plan.runs}


def test_each_backbone_has_its_own_choice(tracker: Tracker) -> None:
    plan = plan_of(backbones=("conv3_fc2", "conv9_fc1"))
    finish_all(tracker, plan, {"": 0.4, "conv3_fc2 class_balance=0.1": 0.8, "conv9_fc1 class_balance=0.01": 0.7})
    chosen = [plan.run_name(run) for run in chosen_configurations(plan, tracker) if run.method == "dta_released"]
    assert chosen == [
        "dta_released conv3_fc2 class_balance=0.1 seed=0",
        "dta_released conv9_fc1 class_balance=0.01 seed=0",
    ]


def test_a_kill_in_the_middle_leaves_the_rest_to_do_and_a_finished_sweep_nothing(tracker: Tracker) -> None:
    plan = plan_of()
    finish_all(tracker, plan, {"": 0.4, "class_balance=0.1": 0.8})
    confirming = confirmation_plan(plan, tracker)
    assert confirming is not None
    finish(tracker, confirming.runs[0], 0.1)
    again = confirmation_plan(plan, tracker)
    assert again is not None
    assert again.runs == confirming.runs
    state = state_of(again.runs, tracker.runs("fonts_digits"), lambda _: {})
    assert (state.done, state.to_do) == (confirming.runs[:1], confirming.runs[1:])
    for run in state.to_do:
        finish(tracker, run, 0.9)
    assert state_of(again.runs, tracker.runs("fonts_digits"), lambda _: {}).to_do == ()


def test_a_changed_choice_is_confirmed_and_nothing_is_chosen_among_confirmed_ones(tracker: Tracker) -> None:
    few = plan_of(points=1)
    finish_all(tracker, few, {"": 0.4, "dta_released": 0.6})
    for run in confirmation_plan(few, tracker).runs:  # type: ignore[union-attr]
        finish(tracker, run, 0.99)
    more = plan_of(points=2)
    finish(tracker, next(run for run in more.runs if run.params.get("class_balance") == 0.1), 0.61)
    confirming = confirmation_plan(more, tracker)
    assert confirming is not None
    assert {run.params["class_balance"] for run in confirming.runs if run.method == "dta_released"} == {0.1}
    earlier = {run.id for run in confirmation_plan(few, tracker).runs}  # type: ignore[union-attr]
    assert earlier <= reported_runs(more)


@pytest.mark.parametrize("confirmed_rate", [0.05, 0.99])
@pytest.mark.parametrize("search", ["grid", "tpe"])
def test_confirmation_results_change_neither_the_choice_nor_what_a_search_learns(
    tracker: Tracker, confirmed_rate: float, search: str
) -> None:
    plan = plan_of(search=search, stop=("asha",))
    finish_all(tracker, plan, {"": 0.4, "class_balance=0.1": 0.8})
    before = chosen_configurations(plan, tracker)
    for run in confirmation_plan(plan, tracker).runs:  # type: ignore[union-attr]
        finish(tracker, run, confirmed_rate)
    assert chosen_configurations(plan, tracker) == before
    state = state_of(plan.runs, tracker.runs("fonts_digits"), lambda _: {}, stops=True)
    assert [run.id for run in state.done] == [run.id for run in plan.runs]
    work = choose_work(plan, state, tracker)
    seen = {run for rule in work.early_stopping.rules for rung in rule.scores.values() for run in rung}
    assert seen <= {run.id for run in plan.runs}


def test_no_search_proposes_confirmation_runs_and_no_stop_rule_ends_them(tracker: Tracker) -> None:
    plan = plan_of(search="tpe", stop=("asha", "collapse"))
    finish_all(tracker, plan, {"": 0.5})
    confirming = confirmation_plan(plan, tracker)
    assert confirming is not None
    assert (confirming.search, confirming.stop) == ("grid", ("none",))


def test_a_dry_run_expects_as_many_runs_before_the_search_as_after_it(tracker: Tracker) -> None:
    plan = plan_of(methods=("dta_released", "dann"), confirm=3)
    before = expect_runs(plan, tracker, search_is_over=False)
    finish_all(tracker, plan, {"": 0.4, "class_balance=0.1": 0.8})
    after = expect_runs(plan, tracker, search_is_over=True)
    assert len(before.runs) == len(after.runs) == 3 * 3
    assert (before.known, after.known) == (False, True)
    assert after.runs == confirmation_plan(plan, tracker).runs  # type: ignore[union-attr]


def test_before_the_search_is_over_only_methods_with_one_point_are_certain_to_be_confirmed_as_they_are(
    tracker: Tracker,
) -> None:
    expected = expect_runs(plan_of(methods=("dta_released", "dann")), tracker, search_is_over=False)
    assert {run.method for run in expected.runs} == {"dta_released", "dann", "source_only"}
    assert [(run.method, run.seed) for run in expected.certain] == [("source_only", 1000), ("source_only", 1001)]
    assert describe_confirmation(plan_of(), expected, to_do=4).endswith("2 done, at most 4 to do")


def test_the_store_keeps_how_many_runs_the_last_start_of_a_sweep_asked_for(tracker: Tracker) -> None:
    assert tracker.requested_confirmations("fonts_digits") == {}
    for count in (2, 3):
        parent = tracker.start_sweep("fonts_digits", "mine", "its id", {"search_space": "mine", CONFIRM: str(count)})
        assert tracker.requested_confirmations("fonts_digits") == {parent: count}
