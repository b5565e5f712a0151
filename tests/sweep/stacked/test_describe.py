"""A dry run says how many runs are stacked, in how many processes, and in how much memory."""

import dataclasses

from small_runs import spec_of

from dta_bench.run.stacked.memory import stack_bytes
from dta_bench.spec.plan import Options
from dta_bench.spec.run_spec import Training
from dta_bench.spec.search_space_file import read
from dta_bench.sweep.choose_runs import for_benchmark, make_plan
from dta_bench.sweep.stacked.describe import describe_stacks


def test_the_bytes_are_those_of_features_weights_gradients_and_momenta() -> None:
    training = Training(epochs=1, optimizer="sgd", learning_rate=1, batch_size=4, tune="head", neck_width=3)
    run = dataclasses.replace(spec_of("dta", 0), training=training)
    head = 5 * 3 + 3 + 2 * 3 + 3 * 2 + 2  # linear, its bias, BatchNorm, classifier
    assert stack_bytes([run, run], units=5, images=7, classes=2) == 7 * 5 * 2 + 2 * head * 4 * 3
    adam = dataclasses.replace(run, training=training.model_copy(update={"optimizer": "adam", "kept": "float32"}))
    assert stack_bytes([adam], units=5, images=7, classes=2) == 7 * 5 * 4 + head * 4 * 4


def test_the_plan_of_a_small_network_fits_into_little_memory() -> None:
    name, file = for_benchmark("frozen_pair", "fonts_digits")
    plan = make_plan(name, file, Options(backbones=("conv3_tiny",), points=8))
    said = describe_stacks(plan, plan.runs, "nowhere", processes=1)
    assert said.startswith("stacked: 27 of 27 runs in 1 process, each with at most ")
    plain = make_plan("fonts_digits", read("fonts_digits"), Options(points=2))
    assert describe_stacks(plain, plain.runs, "nowhere").startswith("stacked: no run")
