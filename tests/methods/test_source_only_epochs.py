"""``source_only_epochs``: every method with a loss on the target can first train on the source alone."""

from __future__ import annotations

import pytest
import torch
from small_runs import spec_of
from torch import nn

from dta_bench import plugins
from dta_bench.check.method import SIDE, TARGETS, TRAINING, random_batch, small_network
from dta_bench.domains.images import Splits
from dta_bench.errors import UserError
from dta_bench.nn import learner
from dta_bench.nn.learner import Learner, Progress, Setting
from dta_bench.run import train as training
from dta_bench.run.placement import Placement
from dta_bench.run.resolve import resolve_on
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.method_plugin import method_plugin

METHODS = plugins.names("method")
ABLE = [name for name in METHODS if "source_only_epochs" in method_plugin(name).defaults()]
CPU = torch.device("cpu")


def of(name: str, epochs: int) -> Learner:
    method = method_plugin(name)
    setting = Setting(TRAINING, 5, (3, SIDE, SIDE), TARGETS)
    return learner.build(method, small_network(method.tasks[0]), method.params({"source_only_epochs": epochs}), setting)


def step(one: Learner, task: str, epoch: int, target_seed: int) -> set[str]:
    """The names of the loss's parts in a step on one fixed source batch and on a target batch of a seed."""
    torch.manual_seed(1)
    source, _ = random_batch(task)
    torch.manual_seed(target_seed)
    _, target = random_batch(task)
    torch.manual_seed(2)
    one.at = Progress(epoch, epoch - 1, TRAINING.epochs)
    one.before_epoch(lambda: torch.randn(TARGETS, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(3)).split(4))
    return set(one.step_of_epoch(source, target))


def trained(one: Learner) -> list[nn.Parameter]:
    return [weight for own in one.optimizers.values() for group in own.param_groups for weight in group["params"]]


def test_methods_without_a_loss_on_the_target_and_second_stages_have_none() -> None:
    assert set(METHODS) - set(ABLE) == {
        "source_only",
        "source_smoothed",
        "adabn",
        "knn",
        "target_only",
        "zero_shot",
        "shot",
        "nrc",
        "dirt_t",
    }


@pytest.mark.parametrize("name", ABLE)
def test_in_these_epochs_the_target_moves_no_weight_and_afterwards_it_does(name: str) -> None:
    task = method_plugin(name).tasks[0]
    one, other = of(name, 1), of(name, 1)
    before = [weight.clone() for weight in trained(one)]
    first = step(one, task, 1, target_seed=10)
    step(other, task, 1, target_seed=11)
    assert all(map(torch.equal, trained(one), trained(other)))
    assert any(not torch.equal(a, b) for a, b in zip(before, trained(one), strict=True))
    second = step(one, task, 2, target_seed=10)
    step(other, task, 2, target_seed=11)
    assert second - first or not all(map(torch.equal, trained(one), trained(other)))


@pytest.mark.parametrize("name", ["mcd", "adr", "co_da", "simnet"])
def test_every_classifier_that_predicts_has_learned_by_then(name: str) -> None:
    one = of(name, 1)
    before = [weight.clone() for weight in one.predictor.parameters()]
    heads = [one.second] if name == "mcd" else [one.clean] if name == "adr" else [one.net]
    own = [weight.clone() for head in heads for weight in head.parameters()]
    step(one, method_plugin(name).tasks[0], 1, target_seed=10)
    assert any(not torch.equal(a, b) for a, b in zip(before, one.predictor.parameters(), strict=True))
    now = [weight for head in heads for weight in head.parameters()]
    assert any(not torch.equal(a, b) for a, b in zip(own, now, strict=True))


def test_zero_leaves_the_identity_and_any_other_number_is_another_run() -> None:
    plain = spec_of("dta")
    assert spec_of("dta", source_only_epochs=0).id == plain.id
    assert spec_of("dta", source_only_epochs=1).id != plain.id


def test_a_sweep_writes_zero_into_no_spec_and_takes_another_number() -> None:
    from dta_bench.spec.plan import Options
    from dta_bench.sweep.choose_runs import for_benchmark, make_plan

    plan = make_plan(*for_benchmark("digits", None), Options(points=1, seeds=1))
    assert "source_only_epochs" not in plan.runs[0].params
    given = plan.spec("conv3_fc2", "dta", 0, plan.first_point("conv3_fc2", "dta") | {"source_only_epochs": 5})
    assert given.params["source_only_epochs"] == 5
    assert given.id != plan.runs[0].id


def test_it_is_a_whole_number_from_0_up() -> None:
    with pytest.raises(UserError, match="source_only_epochs"):
        method_plugin("dann").params({"source_only_epochs": -1})


def test_it_has_to_leave_an_epoch_to_the_method(digits_benchmark: Benchmark, small_splits: Splits) -> None:
    with pytest.raises(UserError, match="source_only_epochs 2 leaves none of the 2 epochs to dta"):
        training.train(resolve_on(spec_of("dta", source_only_epochs=2), digits_benchmark, small_splits), Placement(CPU))
