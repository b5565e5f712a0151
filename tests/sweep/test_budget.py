"""A sweep's budget: the command line's or the file's, the same for all methods of a plan, and told if it cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from dta_bench.cost.budget_plan import MethodBudget, budget_plan, describe_budget
from dta_bench.errors import UserError
from dta_bench.spec import search_space_file
from dta_bench.spec.plan import Options, Plan
from dta_bench.spec.train_command import train_command
from dta_bench.sweep.choose_runs import make_plan

TRAINING: dict[str, Any] = {"epochs": 2, "optimizer": "sgd", "learning_rate": 0.1, "batch_size": 64}
FILE: dict[str, Any] = {
    "benchmark": "usps_mnist", "method": "shot", "sets": {"weight": [0.1, 0.3]},
    "backbones": {"conv3_tiny": {"weight": 0.3}},
}  # fmt: skip


def plan(folder: Path, of_file: object = None, training: dict[str, Any] | None = None, **options: Any) -> Plan:
    content = FILE | {"training": TRAINING | (training or {})} | ({} if of_file is None else {"budget": of_file})
    (folder / "mine.yaml").write_text(yaml.safe_dump(content))
    return make_plan("mine", search_space_file.read(folder / "mine.yaml"), Options(**options))


@pytest.mark.parametrize("budget", ["steps=3000", {"steps": 3000}])
def test_a_search_space_states_a_budget_for_all_its_methods(budget: object, tmp_path: Path) -> None:
    made = plan(tmp_path, budget)
    assert {run.budget.of for run in made.runs if run.budget} == {"steps=3000"}
    lengths = {run.method: run.budget.lengths for run in made.runs if run.budget}
    assert lengths == {"shot": (1500, 1500), "source_only": (3000,)}


def test_the_command_line_overrules_the_file_and_takes_its_budget_back(tmp_path: Path) -> None:
    assert plan(tmp_path, "steps=3000", budget="epochs=4").budget == "epochs=4"
    taken_back = plan(tmp_path, "steps=3000", budget="none")
    assert {run.budget for run in taken_back.runs} == {None}
    assert [run.id for run in taken_back.runs] == [run.id for run in plan(tmp_path).runs]


def test_a_dry_run_says_the_steps_and_flops_of_each_method(tmp_path: Path) -> None:
    made = plan(tmp_path, "steps=3000", methods=("shot", "mcd"))
    said = describe_budget(made, budget_plan(made, ""))
    assert said[0].startswith("budget steps=3000, shot: 1500 steps of source_smoothed, then 1500 steps of shot; ")
    assert said[1].startswith("budget steps=3000, mcd: 3000 steps of mcd on 600 batches; ")
    assert " FLOPs; 9370 steps without a budget" in said[1]
    assert budget_plan(plan(tmp_path), "") == []


def test_a_dry_run_says_once_what_a_budget_changes_of_equally_long_runs(tmp_path: Path) -> None:
    made = plan(tmp_path, "steps=3000", methods=("dann",))
    said = describe_budget(made, budget_plan(made, ""))
    assert said[0] == "budget steps=3000, every run: 3000 steps in 2 epochs; 1874 steps without a budget"
    assert "without" not in "".join(said[1:])


def test_a_budget_and_a_stated_length_of_epochs_are_refused_together(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"budget steps=30 and iterations_per_epoch 5 both say how long a run is"):
        plan(tmp_path, "steps=30", {"iterations_per_epoch": 5})
    assert plan(tmp_path, "steps", {"iterations_per_epoch": 5}).budget == "steps"


def test_what_is_no_budget_is_told_with_the_option_and_with_the_key_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^--budget hours=3 is no budget; allowed: "):
        plan(tmp_path, budget="hours=3")
    with pytest.raises(UserError, match=r"budget.*hours=3 is no budget; allowed: "):
        plan(tmp_path, "hours=3")


def test_the_command_of_a_run_names_its_budget(tmp_path: Path) -> None:
    assert "--budget steps=3000" in train_command(plan(tmp_path, "steps=3000").runs[0], "classification")
    assert "--budget" not in train_command(plan(tmp_path).runs[0], "classification")


def test_budgets_of_many_methods_stand_in_one_line(tmp_path: Path) -> None:
    many = [
        MethodBudget(method=f"m{i}", backbone="conv3_tiny", stages=[], unbudgeted_steps=0, why="no sizes")
        for i in range(9)
    ]
    (said,) = describe_budget(plan(tmp_path, "steps=3000"), many)
    assert said.startswith("budget steps=3000: m0: not known: no sizes; m1: not known")
