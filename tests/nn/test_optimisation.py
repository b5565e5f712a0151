"""The learning rate of each step, held to torch's own schedulers or to the references' formulas."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from dta_bench.nn.optimisation import Progress, build_optimizer, learning_rate, set_learning_rate
from dta_bench.nn.teachers import reinitialised_copy
from dta_bench.spec.training import Training

EPOCHS, STEPS = 7, 13
TOTAL = EPOCHS * STEPS
BASE = 0.3


def training(**fields: Any) -> Training:
    return Training(**{"epochs": EPOCHS, "optimizer": "sgd", "learning_rate": BASE, "batch_size": 2} | fields)


def rates(of: Training) -> list[float]:
    """The learning rate of each step of a run."""
    return [learning_rate(of, Progress(1 + i // STEPS, i, TOTAL)) for i in range(TOTAL)]


def torchs(build: Callable[[torch.optim.Optimizer], Any], every: int = 1) -> list[float]:
    """The same by a scheduler of torch that moves on after ``every`` steps."""
    own = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=BASE)
    scheduler, seen = build(own), []
    for i in range(TOTAL):
        seen.append(own.param_groups[0]["lr"])
        own.step()
        if (i + 1) % every == 0:
            scheduler.step()
    return seen


@pytest.mark.parametrize(
    ("fields", "by_torch"),
    [
        ({"schedule": "constant"}, lambda: torchs(lambda o: lr_scheduler.ConstantLR(o, 1.0))),
        ({"decay_every": 2}, lambda: torchs(lambda o: lr_scheduler.StepLR(o, 2, 0.1), STEPS)),
        (
            {"schedule": "step", "schedule_options": {"every": 3, "factor": 0.5}},
            lambda: torchs(lambda o: lr_scheduler.StepLR(o, 3, 0.5), STEPS),
        ),
        (
            {"schedule": "multistep", "schedule_options": {"at": [2, 5], "factor": 0.2}},
            lambda: torchs(lambda o: lr_scheduler.MultiStepLR(o, [2, 5], 0.2), STEPS),
        ),
        ({"schedule": "cosine"}, lambda: torchs(lambda o: lr_scheduler.CosineAnnealingLR(o, TOTAL))),
        ({"schedule": "poly"}, lambda: torchs(lambda o: lr_scheduler.PolynomialLR(o, TOTAL, 0.9))),
        (
            {"schedule": "poly", "schedule_options": {"power": 2, "iterations": 40}},
            lambda: torchs(lambda o: lr_scheduler.PolynomialLR(o, 40, 2.0)),
        ),
        (
            {"learning_rate_warm_up": 17},
            lambda: torchs(lambda o: lr_scheduler.LinearLR(o, 1e-6, total_iters=17)),
        ),
    ],
)
def test_the_rate_of_every_step_is_torchs(fields: dict[str, Any], by_torch: Callable[[], list[float]]) -> None:
    assert rates(training(**fields)) == pytest.approx(by_torch(), rel=1e-9, abs=1e-12)


def test_the_inverse_schedules_are_those_of_the_references() -> None:
    iterations = rates(training(schedule="inverse_iterations", schedule_options={"gamma": 2e-4}))
    assert iterations == pytest.approx([BASE * (1 + 2e-4 * i) ** -0.75 for i in range(TOTAL)])
    progress = rates(training(schedule="inverse_progress"))
    assert progress == pytest.approx([BASE * (1 + 10 * i / TOTAL) ** -0.75 for i in range(TOTAL)])


@pytest.mark.parametrize("schedule", ["cosine", "poly"])
def test_it_reaches_zero_exactly_when_the_run_ends(schedule: str) -> None:
    of = training(schedule=schedule)
    assert learning_rate(of, Progress(EPOCHS, TOTAL, TOTAL)) == pytest.approx(0, abs=1e-12)
    assert learning_rate(of, Progress(EPOCHS, TOTAL - 1, TOTAL)) > 0


def test_a_warm_up_multiplies_the_schedule() -> None:
    """The formula of mmcv: the rate of the schedule times 1 - (1 - i / n) (1 - 1e-6)."""
    both, plain = rates(training(schedule="poly", learning_rate_warm_up=20)), rates(training(schedule="poly"))
    expected = [rate * (1 - (1 - i / 20) * (1 - 1e-6)) if i < 20 else rate for i, rate in enumerate(plain)]
    assert both == pytest.approx(expected)


def small_network() -> Any:
    from dta_bench.check.method import small_network as network_of

    return network_of("classification")


def test_a_part_of_the_network_has_its_own_rate_and_so_has_a_copy_of_it() -> None:
    net = small_network()
    second, beside = reinitialised_copy(net.head), nn.Linear(2, 2)
    of = training(rates={"backbone": 0.1, "head": 10.0})
    own = build_optimizer([net, second, beside], of)
    set_learning_rate(own, 0.5)
    by_weight = {id(weight): group["lr"] for group in own.param_groups for weight in group["params"]}
    for modules, factor in (((net.body, net.neck), 0.1), ((net.head, second), 10.0), ((beside,), 1.0)):
        for weight in (weight for module in modules for weight in module.parameters()):
            assert by_weight[id(weight)] == pytest.approx(0.5 * factor)


def test_without_rates_there_are_two_groups_and_nothing_new_in_the_checkpoint() -> None:
    own = build_optimizer([small_network()], training(weight_decay=0.1))
    decayed, others = own.state_dict()["param_groups"]
    assert (decayed["weight_decay"], others["weight_decay"]) == (0.1, 0.0)
    assert "rate_factor" not in decayed


def test_norms_and_biases_are_decayed_where_that_is_asked_for() -> None:
    own = build_optimizer([small_network()], training(weight_decay=0.1, decay_norms_and_biases=True))
    assert [group["weight_decay"] for group in own.param_groups] == [0.1, 0.1]


def test_one_sgd_step_with_nesterov_is_that_of_the_formula() -> None:
    weight = nn.Linear(1, 1, bias=False)
    own = build_optimizer([weight], training(nesterov=True, momentum=0.9))
    before = weight.weight.item()
    weight.weight.grad = torch.ones(1, 1)
    own.step()
    assert math.isclose(before - weight.weight.item(), BASE * (1 + 0.9), rel_tol=1e-5)
