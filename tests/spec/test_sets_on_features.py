"""Which values of a method's own sets are tried where only features train."""

import pytest

from dta_bench.errors import UserError
from dta_bench.spec import plan_notes, search_space_file
from dta_bench.spec.method_sets import left_out, method_sets, without_pixels
from dta_bench.spec.plan import Options
from dta_bench.spec.search_space import SearchSpace
from dta_bench.sweep.choose_runs import make_plan


def own_space(method: str) -> SearchSpace:
    own = method_sets(method)
    assert own is not None
    return own.space


def test_values_that_turn_vat_on_are_left_out_and_all_others_stay() -> None:
    space = own_space("dta_released")
    assert left_out(space, "dta_released") == ["lambda_3=0.1", "epsilon=3.5"]
    kept = without_pixels(space, "dta_released")
    assert kept.points() == [point for point in space.points() if point["lambda_3"] == 0]


@pytest.mark.parametrize("method", ["dann", "mcc", "shot", "vada", "vat"])
def test_the_sets_of_a_method_that_never_or_always_needs_images_stay_as_they_are(method: str) -> None:
    space = own_space(method)
    assert without_pixels(space, method).points() == space.points()
    assert left_out(space, method) == []


def test_a_sweep_on_features_says_which_values_it_leaves_out() -> None:
    file = search_space_file.read("compare_frozen")
    plan = make_plan("compare_frozen", file, Options(methods=("dta_released",), weights="none"))
    assert len(plan.space("dta_released").points()) == 6
    assert plan_notes.notes(plan) == [
        "dta_released is not tried with lambda_3=0.1 and epsilon=3.5: that needs images, and only features train"
    ]


def test_a_method_that_always_needs_images_is_still_refused() -> None:
    with pytest.raises(UserError, match="no method can change its images"):
        make_plan("compare_frozen", search_space_file.read("compare_frozen"), Options(methods=("vada",)))


@pytest.mark.parametrize("name", ["frozen_pair", "compare_frozen"])
def test_all_methods_on_features_have_no_method_twice_and_none_named_after_what_is_left_out(name: str) -> None:
    plan = make_plan(name, search_space_file.read(name), Options(methods=("all",)))
    assert {"dta", "dta_released", "mcc", "knn"} <= set(plan.methods)
    assert not {"vat", "dta_feature_vat"} & set(plan.methods)
    assert "vat (VAT perturbs the pixels)" in plan_notes.notes(plan)[0]


def test_a_first_point_without_images_keeps_the_rest_of_its_row() -> None:
    plan = make_plan("frozen_pair_vat", search_space_file.read("frozen_pair_vat"), Options(methods=("dta_released",)))
    row = plan.row("resnet50", "dta_released")
    first = plan.first_point("resnet50", "dta_released")
    assert first["lambda_3"] == 0
    assert first["delta_e"] == row["delta_e"]


def test_a_method_that_goes_by_its_name_only_is_in_all_of_its_own_file() -> None:
    plan = make_plan("frozen_pair_vat", search_space_file.read("frozen_pair_vat"), Options(methods=("all",)))
    assert plan.methods[0] == "dta_feature_vat"
