"""Where a method that predicts by prompts is run, how often, and what a plan says of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny_clip import write_tiny_clip

from dta_bench import plugins
from dta_bench.errors import UserError
from dta_bench.spec import plan_notes, search_space_file
from dta_bench.spec.plan import Options, Plan
from dta_bench.sweep.choose_runs import make_plan
from dta_bench.sweep.confirmation import _with_seeds
from dta_bench.sweep.train_one import _spec_with_settings


def plan_of(benchmark: str = "mnist_usps", **options: Any) -> Plan:
    file = search_space_file.read("frozen_pair").model_copy(update={"benchmark": benchmark})
    asked: dict[str, Any] = {"training": ("image_size=32",), "points": 2, "seeds": 3} | options
    return make_plan("frozen_pair", file, Options(**asked))


@pytest.fixture
def weights(out: Path) -> str:
    return str(write_tiny_clip(out)[1])


def runs_of(plan: Plan) -> list[tuple[str, int]]:
    return [(run.backbone, run.seed) for run in plan.runs if run.method == "zero_shot"]


def test_it_is_one_run_whatever_the_points_and_seeds_and_is_not_confirmed(weights: str) -> None:
    plan = plan_of(backbones=("tiny_clip",), methods=("dta", "zero_shot"), weights=weights, confirm=3)
    assert runs_of(plan) == [("tiny_clip", 0)]
    assert plan.points_by_method() == {"dta": 2, "zero_shot": 1}
    assert {run.method for run in _with_seeds(plan.runs, plan)} == {"dta", "source_only"}


def test_a_method_of_the_users_own_that_trains_nothing_is_not_confirmed_either(weights: str) -> None:
    Path("methods").mkdir()
    text = plugins.path("method", "zero_shot").read_text()
    Path("methods/mine.py").write_text(text)
    plan = plan_of(backbones=("tiny_clip",), methods=("dta", "mine"), weights=weights, confirm=3)
    assert [run.seed for run in plan.runs if run.method == "mine"] == [0]
    assert {run.method for run in _with_seeds(plan.runs, plan)} == {"dta", "source_only"}


def test_its_templates_are_in_its_spec(weights: str) -> None:
    plan = plan_of(backbones=("tiny_clip",), methods=("zero_shot",), weights=weights)
    assert plan.runs[0].params == {"templates": "a photo of a {}.", "number_templates": 'a photo of the number: "{}".'}


def test_of_classes_named_by_numbers_the_plan_says_what_the_prompts_are(weights: str) -> None:
    plan = plan_of(backbones=("tiny_clip",), methods=("zero_shot",), weights=weights)
    (note,) = plan_notes.notes(plan)
    assert "names of the classes are numbers" in note
    assert '"a photo of the number: "zero"." to "a photo of the number: "nine"."' in note


def test_on_several_backbones_it_runs_on_those_with_a_text_tower_and_the_plan_says_where_not(weights: str) -> None:
    silent = Path("backbones/silent.py")
    silent.write_text(Path("backbones/tiny_clip.py").read_text().replace("text_tower = True\n", ""))
    plan = plan_of("visda", backbones=("silent", "tiny_clip"), methods=("zero_shot", "dta"), weights=weights)
    assert runs_of(plan) == [("tiny_clip", 0)]
    assert plan.points == 1
    assert any("not run on silent, without a text tower" in note for note in plan_notes.notes(plan))
    assert any('"a photo of a aeroplane." to "a photo of a truck."' in note for note in plan_notes.notes(plan))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"backbones": ("conv9_fc1",)}, "with random weights prompts mean nothing"),
        ({"backbones": ("tiny_clip",)}, "with random weights prompts mean nothing"),
    ],
)
@pytest.mark.usefixtures("weights")
def test_all_methods_leave_it_out_and_say_why_and_by_name_it_is_refused(options: dict[str, Any], said: str) -> None:
    plan = plan_of(**options, methods=("all",))
    assert "zero_shot" not in plan.methods
    assert [note for note in plan_notes.notes(plan) if note.startswith(f"zero_shot is left out: {said}")]
    with pytest.raises(UserError, match=f"zero_shot cannot run: {said}"):
        plan_of(**options, methods=("zero_shot",))


def test_without_a_text_tower_the_next_step_is_named(weights: str) -> None:
    with pytest.raises(UserError, match=r"conv9_fc1 has no text tower .*; open_clip/<model>.<tag> has one"):
        plan_of("visda", backbones=("conv9_fc1",), methods=("zero_shot",), weights=weights)


def test_train_takes_templates_as_they_are_typed_and_no_second_seed(weights: str) -> None:
    plan = plan_of("visda", backbones=("tiny_clip",), methods=("zero_shot",), weights=weights)
    spec = _spec_with_settings(plan, ['templates=one: "{}"|two {}'], 0)
    assert spec.params["templates"] == 'one: "{}"|two {}'
    with pytest.raises(UserError, match=r"--seed 2 would give the numbers of seed 0"):
        _spec_with_settings(plan, [], 2)
