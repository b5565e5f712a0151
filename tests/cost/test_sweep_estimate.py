"""What a sweep would cost: counted from steps, FLOPs and sizes that a test adds up by itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from drawn_suites import write_domains, write_suite

from dta_bench.cost.describe_estimate import describe
from dta_bench.cost.equal_points import cost_of_equal_points, describe_equal_points
from dta_bench.cost.flop_counts import flops_ratio
from dta_bench.cost.sweep_estimate import estimate
from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.methods import gta, mcd
from dta_bench.spec import search_space_file
from dta_bench.spec.method_plugin import method_plugin
from dta_bench.spec.plan import Options, Plan
from dta_bench.sweep.choose_runs import for_benchmark, make_plan


def plan(name: str = "usps_mnist", **options: object) -> Plan:
    return make_plan(name, search_space_file.read(name), Options(**options))  # type: ignore[arg-type]


def test_hours_are_steps_times_their_cost_over_the_rate() -> None:
    made = plan(methods=("source_only",), epochs=3)
    found = estimate(made, made.runs, "", rate=100.0, price=2.0)
    an_epoch = 60_000 // 128 + 60_000 / 128 / 3  # its steps, and one look at target train
    assert found["steps"] == pytest.approx(3 * an_epoch)
    assert found["gpu_hours"] == pytest.approx(3 * an_epoch * 128 / 100 / 3600)
    assert found["cost"] == pytest.approx(2 * found["gpu_hours"])


def test_a_method_costs_its_floor() -> None:
    made = plan(methods=("mcd",), epochs=1, points=1)
    runs = [run for run in made.runs if run.method == "mcd"]
    alone = estimate(made, [run for run in made.runs if run.method == "source_only"], "", 1.0, None)["steps"]
    steps = estimate(made, runs, "", 1.0, None)["steps"] - alone
    assert steps == pytest.approx(60_000 // 128 * (mcd.floor(mcd.Params()) - 1))


def test_the_hours_of_each_method_are_said_the_dearest_first() -> None:
    made = plan(methods=("dann", "mcd"), epochs=1, points=1)
    said = describe(estimate(made, made.runs, "", 1.0, None))
    assert "Hours by method: mcd " in said
    said = said.partition("Hours by method")[2]
    assert said.index("mcd") < said.index("dann") < said.index("source_only")


def test_what_a_method_needs_above_its_floor_is_paid_for_too() -> None:
    made = plan(methods=("gta",), epochs=1, points=1)
    run = next(run for run in made.runs if run.method == "gta")
    alone = estimate(made, [run for run in made.runs if run.method == "source_only"], "", 1.0, None)["steps"]
    steps = 1 + (estimate(made, [run], "", 1.0, None)["steps"] - alone) / (60_000 // 128)
    assert steps == pytest.approx(flops_ratio(run, method_plugin(run.method), benchmark_of(run.benchmark)))
    assert steps > gta.floor(gta.Params()) + 0.1  # on a network as small as this one, G and D are not


@pytest.mark.parametrize(
    "methods", [("daformer", "lsd", "advent"), pytest.param(("all",), marks=pytest.mark.slow)], ids=["three", "all"]
)
def test_methods_are_counted_on_maps_as_well(methods: tuple[str, ...], tmp_path: Path) -> None:
    made = plan("streets_mini", methods=methods, points=1, epochs=1, seeds=1)
    found = estimate(made, made.runs, str(tmp_path), 1.0, None)
    assert found["why"] == ""
    assert {"daformer", "lsd", "advent"} <= set(found["by_method"])


def test_a_first_stage_is_paid_once_for_all_that_start_from_it() -> None:
    made = plan(methods=("dirt_t",), epochs=1, points=6)
    hours = estimate(made, [run for run in made.runs if run.method == "dirt_t"], "", 1.0, None)["by_method"]
    one = plan(methods=("vada",), epochs=1, points=1)
    assert hours["vada"] == pytest.approx(estimate(one, one.runs, "", 1.0, None)["by_method"]["vada"])


def test_the_method_of_a_first_stage_is_told_as_such_unless_it_is_compared_itself() -> None:
    made = plan(methods=("shot", "dta"), epochs=1, points=1)
    found = estimate(made, made.runs, "", 1.0, None)
    assert found["first_stages"] == {"source_smoothed": ["shot"]}
    hours = found["by_method"]["source_smoothed"]
    assert f"source_smoothed {hours:.1f} (first stage of shot)" in describe(found)
    both = plan(methods=("shot", "source_smoothed"), epochs=1, points=1)
    assert estimate(both, both.runs, "", 1.0, None)["first_stages"] == {}


def test_equal_searches_cost_what_a_plan_with_as_many_points_costs() -> None:
    unequal = plan(methods=("dta", "mcc"), epochs=1)
    equal = plan(methods=("dta", "mcc"), epochs=1, points=unequal.equal_points())
    costs = estimate(unequal, unequal.runs, "", 1.0, 2.0)
    found = cost_of_equal_points(unequal, costs, unequal.runs, [])
    assert found is not None
    assert found["points"] == unequal.equal_points()
    of_plan = estimate(equal, equal.runs, "", 1.0, 2.0)["gpu_hours"]
    assert found["gpu_hours"] == pytest.approx(of_plan, rel=0.2)  # points of dta with VAT cost more than those without
    assert found["cost"] == pytest.approx(2 * found["gpu_hours"])
    assert f"with --points {found['points']}, as many for every method: about " in describe_equal_points(found)
    assert cost_of_equal_points(equal, costs, equal.runs, []) is None


def test_what_may_make_a_sweep_cheaper_and_is_not_counted_is_said() -> None:
    made = plan("visda", methods=("dann",), epochs=1, points=1, stop=("asha",), training=("precision=bfloat16",))
    said = describe(estimate(made, made.runs, "", None, None))
    assert said.endswith(". Not counted: --stop asha ends runs early; precision bfloat16 is faster")
    measured = estimate(made, made.runs, "", 100.0, None)  # at that precision, or so the user says
    assert measured["not_counted"] == ["--stop asha ends runs early"]


def test_a_rate_below_one_is_no_zero() -> None:
    made = plan("visda", methods=("dann",), epochs=1, points=1)
    assert "at 0.122 source images per second" in describe(estimate(made, made.runs, "", 0.1219, None))


def test_without_a_rate_the_assumption_is_said() -> None:
    made = plan("stl_cifar", methods=("dta",), epochs=1, points=1)
    found = estimate(made, made.runs, "", None, None)
    assert found["cost"] is None
    assert found["gpu_hours"] > 0
    assert "assumed, not measured: a GPU that sustains 20 TFLOP/s; the range is for 10 to 40" in describe(found)


def test_at_the_assumed_rate_the_command_that_measures_it_has_the_backbone_and_the_batch_of_the_sweep() -> None:
    made = plan("visda", methods=("dann",), epochs=1, points=1, backbones=("resnet101",), training=("batch_size=32",))
    said = describe(estimate(made, made.runs, "", None, None))
    command = "dta-bench profile visda --backbone resnet101 --batch 32 --method source_only"
    assert f"{command}  and give the images/s of source_only" in said
    assert "the other methods' hours follow from it by their FLOPs" in said


def test_hours_and_money_at_the_assumed_rate_are_a_range_and_at_a_measured_one_a_figure() -> None:
    made = plan("stl_cifar", methods=("dta",), epochs=1, points=1)
    found = estimate(made, made.runs, "", None, 2.0)
    hours = found["gpu_hours"]
    assert found["gpu_hours_range"] == (hours / 2, hours * 2)
    assert describe(found).startswith(f"Estimate: {30 * hours:.0f} to {120 * hours:.0f} GPU minutes, ")
    assert f" {hours:.2f} to {4 * hours:.2f} at 2 an hour, " in describe(found)
    measured = estimate(made, made.runs, "", 4000.0, 2.0)
    assert (measured["gpu_hours_range"], measured["cost_range"]) == (None, None)
    assert " to " not in describe(measured).partition(" for ")[0]


def test_steps_too_small_for_an_assumed_rate_have_no_estimate_but_the_command_that_measures_it() -> None:
    made = plan(methods=("dta",), epochs=1, points=1)
    said = describe(estimate(made, made.runs, "", None, None))
    assert said.startswith("no estimate: a step of conv3_fc2 is so small")
    assert "dta-bench profile usps_mnist --backbone conv3_fc2 --batch 128 " in said
    assert "of one device (GPU or CPU)" in describe(estimate(made, made.runs, "", 3000.0, None))


def test_the_hours_of_a_first_stage_are_of_the_first_run_that_starts_from_it() -> None:
    made = plan(methods=("dirt_t",), epochs=1, points=2)
    found = estimate(made, made.runs, "", 1.0, None)
    runs = [run for run in made.runs if run.method == "dirt_t"]
    assert sum(found["run_hours"].values()) == pytest.approx(found["gpu_hours"])
    assert found["run_hours"][runs[0].id] > found["run_hours"][runs[1].id]


def test_all_methods_are_those_of_the_task_that_see_no_target_label_under_one_budget() -> None:
    made = plan("compare_digits", methods=("all",))
    assert made.methods[0] == "dta"
    assert {"dann", "mcd", "shot", "dta_released", "source_only"} <= set(made.methods)
    assert not {"target_only", "minent"} & set(made.methods)
    for method in made.methods:
        points = [run for run in made.runs if run.method == method and run.seed == 0]
        assert len(points) == (6 if made.space(method).sets else 1)
    assert {run.seed for run in made.runs} == {0, 1}


def test_the_first_point_of_a_method_with_own_sets_is_its_default_and_its_ramp_the_files() -> None:
    made = plan("compare_digits", methods=("all",))
    first = {method: next(run.params for run in made.runs if run.method == method) for method in made.methods}
    assert first["vada"]["lambda_d"] == 0.01
    assert first["dta_released"]["ramp_up_epochs"] == first["dta"]["ramp_up_epochs"] == 4


def test_smaller_crops_make_steps_cheaper_and_evaluation_as_dear_as_before() -> None:
    """An FCN's work is in proportion to the pixels; half of them halves the steps and not what is evaluated."""
    sizes = "image_size=[128, 256]", "batch_size=8"
    training = (*sizes, "iterations_per_epoch=100"), (*sizes, "iterations_per_epoch=100", "crop=[128, 128]")
    whole, crops = (
        plan("gta5_cityscapes", methods=("source_only",), backbones=("unet_mini",), epochs=1, training=given)
        for given in training
    )
    dear, cheap = (estimate(made, made.runs, "", None, None)["gpu_hours"] for made in (whole, crops))
    evaluation = 2_975 / 3
    assert cheap / dear == pytest.approx((100 * 8 / 2 + evaluation) / (100 * 8 + evaluation), rel=0.01)


def test_a_source_that_several_pairs_are_trained_on_is_paid_for_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_suite(tmp_path, image_size=28)
    write_domains(tmp_path / "zoo")
    options = Options(backbones=("conv3_fc2",), methods=("source_only", "dann"), training=("batch_size=4",), points=1)
    trained = set[str]()
    pairs = [for_benchmark(f"zoo.photo-to-{target}", None) for target in ("ink", "clay")]
    plans = [make_plan(name, file, options) for name, file in pairs]
    first, second = (estimate(one, one.runs, str(tmp_path), 1.0, None, trained)["by_method"] for one in plans)
    assert second["dann"] == pytest.approx(first["dann"])
    images = 12 + 14 / 3  # trained on in three steps of four, and the evaluation of target train
    assert second["source_only"] / first["source_only"] == pytest.approx(14 / 3 / images)
