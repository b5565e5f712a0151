"""What Tune hands to workers: the identity of a run, beside the point that the run stands for."""

import pickle
from typing import Any

import pytest

from dta_bench.spec import search_space_file
from dta_bench.spec.plan import Options, Plan
from dta_bench.sweep.apply_stop_rules import EarlyStopping
from dta_bench.sweep.choose_runs import make_plan
from dta_bench.sweep.on_ray.launch import Share, searcher
from dta_bench.sweep.on_ray.tune_space import config_of
from dta_bench.sweep.run_queue import PlannedQueue
from dta_bench.sweep.work import Work


def plan_of(**options: Any) -> Plan:
    return make_plan("grid_fonts_digits", search_space_file.read("grid_fonts_digits"), Options(**options))


@pytest.mark.parametrize("queued", [False, True], ids=["Optuna's search", "a queue of our own"])
def test_every_suggestion_holds_its_runs_identity_and_its_own_point(queued: bool) -> None:
    plan = plan_of(points=5, seeds=2)
    work = Work(plan.runs, EarlyStopping([], 1), PlannedQueue(plan.runs) if queued else None)
    suggests = searcher([Share(plan, work, "parent")])
    configs = [suggests.suggest(f"trial {number}") for number in range(len(plan.runs))]
    runs = {run.id: run for run in plan.runs}
    assert {config["run"] for config in configs} == runs.keys()
    assert all(config == config_of(plan, runs[config["run"]]) for config in configs)


def test_a_run_shows_its_backbone_method_seed_and_parameters() -> None:
    plan = plan_of(points=1, seeds=1)
    run = plan.runs[0]
    config = config_of(plan, run)
    assert (config["backbone"], config["method"], config["seed"]) == (run.backbone, run.method, run.seed)
    assert config[f"{run.method}.lambda_2"] == run.params["lambda_2"]


def test_tune_can_pickle_the_search_with_its_space() -> None:
    plan = plan_of(points=2, seeds=1)
    suggests = searcher([Share(plan, Work(plan.runs, EarlyStopping([], 1)), "parent")])
    suggests.suggest("first")
    again = pickle.loads(pickle.dumps(suggests))
    assert again.suggest("second")["run"] == plan.runs[1].id
