"""Which row a method takes, and that a value which is not the file's is told."""

from __future__ import annotations

import pytest

from dta_bench.spec.plan import Options, Plan
from dta_bench.spec.row_origins import describe_origins, origins, overruled
from dta_bench.sweep.choose_runs import for_benchmark, make_plan


def plan_of(space: str, *methods: str) -> Plan:
    return make_plan(*for_benchmark(space, None), Options(methods=methods, seeds=1, points=1))


@pytest.mark.parametrize("space", ["usps_mnist", "mnist_usps", "digits"])
def test_the_released_form_takes_the_row_of_the_file(space: str) -> None:
    printed, released = plan_of(space, "dta"), plan_of(space, "dta_released")
    row = printed.file.row("conv3_fc2")
    (run,) = (run for run in released.runs if run.method == "dta_released")
    assert {name: run.params[name] for name in row} == row | {"ramp_up_epochs": row["ramp_up_epochs"]}
    assert (run.params["class_balance"], run.params["source_consistency"]) == (0.01, 2.0)
    assert overruled(released) == []


def test_a_value_of_a_row_that_is_in_no_set_joins_the_released_forms_set() -> None:
    plan = plan_of("usps_mnist", "dta_released")
    assert plan.first_point("conv3_fc2", "dta_released") in plan.space("dta_released").points()


def test_another_method_keeps_its_own_row_and_that_is_told() -> None:
    plan = plan_of("usps_mnist", "vat")
    taken = plan.params("conv3_fc2", "vat", {})
    differing = {k for k, v in plan.file.row("conv3_fc2").items() if k in taken and taken[k] != v}
    assert differing
    (told,) = overruled(plan)
    assert all(f"{name}={taken[name]} instead of" in told for name in differing)


def test_each_parameter_has_an_origin() -> None:
    plan = plan_of("usps_mnist", "dta_released", "mcd")
    of = origins(plan, "conv3_fc2", "dta_released")
    assert of["lambda_3"] == "the row of usps_mnist"
    assert of["class_balance"] == "the method's default"
    assert any("dta_released on conv3_fc2: from the row of usps_mnist: lambda_1=2" in x for x in describe_origins(plan))
