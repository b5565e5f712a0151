"""A method's own sets: read or refused in words; and the second view of a target image that some methods ask for."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dta_bench.data.batches import Batches
from dta_bench.domains.images import Splits
from dta_bench.errors import UserError
from dta_bench.spec import plan_notes, search_space_file
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.method_sets import method_sets
from dta_bench.spec.plan import Options
from dta_bench.sweep.choose_runs import make_plan


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory whose own sets come first."""
    (tmp_path / "search_spaces" / "methods").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "search_spaces" / "methods"


@pytest.mark.parametrize(("text", "said"), [
    ("sets:\n  repeat: [4, 2]\n", "repeat is no parameter, did you mean repeats"),
    ("sets:\n  repeats: [4, often]\n", "repeats is 'often'"),
    ("sets:\n  repeats: [0, 4]\n", "repeats is 0; it must be finite and 1 or more"),
    ("sets:\n  repeats: [2, 3]\n", "repeats is 4, allowed: 2, 3"),
    ("sets:\n  repeats: [4]\nseeds: 3\n", "seeds is not a key here"),
    ("row: {repeats: 4}\n", "sets is missing"),
])  # fmt: skip
def test_a_mistake_in_a_methods_sets_is_told_with_its_file(here: Path, text: str, said: str) -> None:
    (here / "mcd.yaml").write_text(text)
    with pytest.raises(UserError) as refused:
        method_sets("mcd")
    assert str(here / "mcd.yaml") in str(refused.value)
    assert said in str(refused.value)


def test_a_methods_row_comes_first_in_its_sweep(here: Path) -> None:
    (here / "mcd.yaml").write_text("sets:\n  repeats: [4, 2]\nrow: {repeats: 2, class_balance: 0.01}\n")
    plan = make_plan("digits", search_space_file.read("digits"), Options(methods=("mcd",), points=2, seeds=1))
    params = [run.params for run in plan.runs if run.method == "mcd"]
    assert params == [{"repeats": 2, "class_balance": 0.01}, {"repeats": 4, "class_balance": 0.01}]


def test_a_method_with_fewer_points_than_the_file_wants_of_its_own_gets_all_it_has(here: Path) -> None:
    (here / "mcd.yaml").write_text("sets:\n  repeats: [4, 2]\n")
    file = search_space_file.read("digits")
    assert file.points is not None
    assert file.points > 2
    plan = make_plan("digits", file, Options(methods=("mcd",), seeds=1))
    assert sum(run.method == "mcd" for run in plan.runs) == 2


def test_a_files_number_of_points_is_cut_to_what_its_own_method_has_with_a_note() -> None:
    file = search_space_file.read("digits").model_copy(update={"points": 999})
    plan = make_plan("digits", file, Options(seeds=1))
    points = len(plan.space("dta").points())
    assert plan.points == points < 999
    assert f"{points} points instead of 999 of dta: there are no more" in plan_notes.notes(plan)


def test_methods_with_fewer_points_than_asked_for_are_named_and_counted_each(here: Path) -> None:
    (here / "mcd.yaml").write_text("sets:\n  repeats: [4, 2]\n")
    plan = make_plan("digits", search_space_file.read("digits"), Options(methods=("dta", "mcd"), points=5, seeds=1))
    assert plan.points_by_method() == {"dta": 5, "mcd": 2}
    assert plan.describe_points() == "5 points of dta, 2 points of mcd"
    assert "2 points instead of 5 of mcd: there are no more" in plan_notes.notes(plan)


def test_unequal_searches_that_nobody_asked_for_are_told() -> None:
    file, note = search_space_file.read("visda"), "methods with more points have more chances to be chosen; --points "
    plans = [make_plan("visda", file, Options(methods=("dta", "mcc"), points=points, seeds=1)) for points in (None, 5)]
    assert [[line for line in plan_notes.notes(plan) if line.startswith(note)] for plan in plans] == [
        [f"{note}{min(plans[0].points_by_method()[method] for method in ('dta', 'mcc'))} makes them equal"], []
    ]  # fmt: skip


@pytest.mark.parametrize("points", [0, 3])
def test_points_that_the_user_wants_and_the_method_has_not_are_refused(here: Path, points: int) -> None:
    (here / "mcd.yaml").write_text("sets:\n  repeats: [4, 2]\n")
    with pytest.raises(UserError, match=f"--points {points} is outside this space; digits has 1 to 2 points for mcd"):
        make_plan("digits", search_space_file.read("digits"), Options(methods=("mcd",), points=points))


def test_a_method_of_another_task_is_refused_before_any_run() -> None:
    with pytest.raises(UserError, match="digits is classification, but the method minent does segmentation"):
        make_plan("digits", search_space_file.read("digits"), Options(methods=("minent",), points=1))


@pytest.mark.parametrize("second_view", ["again", "strong"])
def test_a_second_view_is_another_drawing_of_the_same_images_and_the_same_each_time(
    second_view: str, digits_benchmark: Benchmark, small_splits: Splits
) -> None:
    def first(view: str | None) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
        sets = small_splits.source_train, small_splits.target_train
        batches = Batches(*sets, digits_benchmark, 16, seed=0, channels=1, second_view=view)  # type: ignore[arg-type]
        target = next(iter(batches.epoch(1)))[1]
        return target.images, target.again, target.index

    images, again, index = first(second_view)
    assert again is not None
    assert index is not None
    assert again.shape == images.shape
    assert not torch.equal(again, images)
    assert torch.equal(first(second_view)[1], again)  # type: ignore[arg-type]
    alone, nothing, _ = first(None)
    assert nothing is None
    assert torch.equal(alone, images)
