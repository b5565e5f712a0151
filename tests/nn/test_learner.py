"""What a method may hold and do in a step, and that all of it is in the checkpoint."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import Tensor

from dta_bench.check import check
from dta_bench.check.method import random_batch, small_learner, train_epochs
from dta_bench.domains.images import Splits
from dta_bench.nn.learner import Learner, Progress
from dta_bench.nn.optimisation import build_optimizer
from dta_bench.run import train
from dta_bench.run.placement import Placement, Stopped, StopRequest
from dta_bench.run.resolve import resolve_on
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.method_plugin import method_plugin
from dta_bench.spec.run_spec import LabelSubset, RunSpec, Training

CPU = torch.device("cpu")

EVERYTHING = '''"""Players, phases, a teacher, pseudo-labels, two views, and a stage before it."""

import copy
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss

from dta_bench.api import Learner, activation_shapes, evaluating

second_view = "strong"
tasks = ("classification",)


@dataclass(frozen=True)
class Params:
    alpha: float = 0.9


def first_stage(params):
    return "source_only", {}


class Method(Learner):
    def __init__(self, net, params, setting):
        super().__init__(net, params, setting)
        net.load_state_dict(setting.first.net.state_dict())
        self.judge = nn.Linear(activation_shapes(net, setting.image_shape)[1][1], 1)
        self.teacher = copy.deepcopy(net).requires_grad_(False)
        self.register_buffer("pseudo", torch.zeros(setting.target_size, dtype=torch.long))

    def players(self):
        return {"net": [self.net], "judge": [self.judge]}

    def training_of(self, player):
        own = {"learning_rate": 1e-2, "optimizer": "sgd"} if player == "judge" else {}
        return self.setting.training.model_copy(update=own)

    def before_epoch(self, target):
        with torch.no_grad(), evaluating(self):
            self.pseudo.copy_(torch.cat([self.teacher(images).argmax(1) for images in target()]))

    def phases(self):
        yield ("judge",), self.tell_apart
        yield ("net",), self.fool

    def score(self, images):
        return self.judge(self.net.hidden(self.net.features(images)))

    def tell_apart(self, source, target):
        apart = (self.score(source.images) - self.score(target.images)).tanh().mean()
        return {"total": -apart, "apart": apart}

    def fool(self, source, target):
        task = cross_entropy(self.net(source.images), source.labels)
        own = cross_entropy(self.net(target.again), self.pseudo[target.index])
        alike = mse_loss(self.net(target.images), self.teacher(target.images))
        total = task + self.at.done * own + alike + self.score(target.images).square().mean()
        return {"total": total, "task": task, "own": own}

    def after_step(self):
        for old, new in zip(self.teacher.parameters(), self.net.parameters()):
            old.lerp_(new.detach(), 1 - self.params.alpha)

    def forward(self, images):
        return self.teacher(images)
'''


@pytest.fixture
def everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a user's method that uses the whole contract."""
    (tmp_path / "methods").mkdir()
    (tmp_path / "methods" / "everything.py").write_text(EVERYTHING)
    monkeypatch.chdir(tmp_path)
    return "everything"


def spec(method: str, **option: object) -> RunSpec:
    own = Training(epochs=2, optimizer="adam", learning_rate=1e-3, batch_size=32).model_copy(update=option)
    params = method_plugin(method).defaults()
    return RunSpec("fonts_digits", "conv3_tiny", "none", method, params, own, LabelSubset(size=40), 0)


def logits(finished: train.FinishedRun) -> Tensor:
    return torch.from_numpy(finished.arrays["target_test_logits"])


def test_a_users_method_that_uses_the_whole_contract_passes_its_check(everything: str) -> None:
    assert check("method", everything, Path()).fails == []


@pytest.fixture(scope="module")
def whole() -> dict[str, Tensor]:
    """The logits of runs that nothing has interrupted, by their identities: each is trained once for all tests."""
    return {}


@pytest.mark.parametrize("stop_after", [1, 3, 4, 5, 8, 12])
def test_a_run_stopped_in_either_stage_resumes_with_the_same_numbers(
    everything: str, stop_after: int, digits_benchmark: Benchmark, small_splits: Splits, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, whole: dict[str, Tensor],
) -> None:  # fmt: skip
    run = spec(everything)
    if run.id not in whole:
        whole[run.id] = logits(train.train(resolve_on(run, digits_benchmark, small_splits), Placement(CPU)))

    stop, steps, step = StopRequest(), 0, Learner.step

    def count_and_step(self: Learner, *batches: object) -> dict[str, Tensor]:
        nonlocal steps
        steps += 1
        stop.requested = steps == stop_after
        return step(self, *batches)  # type: ignore[arg-type]

    placement = Placement(CPU, tmp_path / "run.pt", stop=stop)
    monkeypatch.setattr(Learner, "step", count_and_step)
    with pytest.raises(Stopped):
        train.train(resolve_on(run, digits_benchmark, small_splits), placement)
    stop.requested = False
    torch.manual_seed(12345)  # what another process would have drawn
    resumed = train.train(resolve_on(run, digits_benchmark, small_splits), placement)
    assert torch.equal(logits(resumed), whole[run.id])
    assert steps == 12  # two stages of two epochs of three steps: none was taken twice


def test_a_first_stage_is_trained_once_for_all_that_start_from_it(
    everything: str, digits_benchmark: Benchmark, small_splits: Splits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, steps, step = spec(everything), list[Learner](), Learner.step
    monkeypatch.setattr(Learner, "step", lambda self, *batches: steps.append(self) or step(self, *batches))
    for alpha in (0.9, 0.5):
        other = dataclasses.replace(run, params={"alpha": alpha})
        train.train(resolve_on(other, digits_benchmark, small_splits), Placement(CPU, tmp_path / f"{other.id}.pt"))
    assert len(steps) == 6 + 6 + 6


@pytest.mark.parametrize("option", [{"precision": "bfloat16"}, {"accumulate": 2}, {"channels_last": True}])
def test_phases_take_every_option_of_a_step(
    everything: str, option: dict[str, object], digits_benchmark: Benchmark, small_splits: Splits
) -> None:
    seen: list[dict[str, float]] = []
    run = spec(everything, **option)
    train.train(resolve_on(run, digits_benchmark, small_splits), Placement(CPU), lambda _, found: seen.append(found))
    assert seen[-1]["loss/task"] < 2.5


def test_a_phase_updates_its_players_and_no_others(everything: str) -> None:
    one = small_learner(method_plugin(everything), "classification")
    one.take(*random_batch("classification"))
    for players, loss in one.phases():
        before = {name: value.clone() for name, value in one.named_parameters()}
        one.gradients(players, loss)
        one.update(players)
        moved = {name.split(".")[0] for name, value in one.named_parameters() if not torch.equal(value, before[name])}
        assert moved == set(players)


def test_each_player_has_the_learning_rate_that_the_method_gives_it(everything: str) -> None:
    one = small_learner(method_plugin(everything), "classification")
    rates = {name: own.param_groups[0]["lr"] for name, own in one.optimizers.items()}
    assert rates == {"net": 1e-3, "judge": 1e-2}
    assert [type(own).__name__ for own in one.optimizers.values()] == ["Adam", "SGD"]


def test_the_learner_of_a_loss_takes_the_same_step_as_the_loss_itself() -> None:
    method = method_plugin("source_only")
    one, other = small_learner(method, "classification"), small_learner(method, "classification")
    torch.manual_seed(1)
    train_epochs(one, "classification", [1])
    torch.manual_seed(1)
    torch.randn(8, 3, 16, 16)  # what ``walk`` draws for before_epoch
    source, target = random_batch("classification")
    parts = method.module.loss(other.net, source, target, 1, other.params)
    torch.autograd.backward(parts["total"])
    other.optimizers["all"].step()
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_progress_runs_from_0_to_just_below_1() -> None:
    assert [Progress(1, i, 4).done for i in range(4)] == [0, 0.25, 0.5, 0.75]


def test_a_weight_that_two_modules_share_is_optimised_once() -> None:
    net = torch.nn.Linear(2, 2)
    training = Training(epochs=1, optimizer="adam", learning_rate=1, batch_size=2)
    optimizer = build_optimizer([net, torch.nn.Sequential(net)], training)
    assert sum(len(group["params"]) for group in optimizer.param_groups) == 2
