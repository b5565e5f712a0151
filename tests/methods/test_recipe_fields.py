"""Each field of a recipe acts on every method: it changes the step that it says it changes, and no step before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from dta_bench import plugins
from dta_bench.check.method import SIDE, TARGETS, random_batch, small_learner
from dta_bench.nn.learner import Learner, Progress
from dta_bench.nn.network import part_of
from dta_bench.spec.method_plugin import method_plugin
from dta_bench.spec.training import Training

STEPS = 3
BASE = {
    "epochs": STEPS, "optimizer": "sgd", "learning_rate": 0.01, "weight_decay": 0.1, "batch_size": 4,
}  # fmt: skip
SOME = ("source_only", "mcd", "sdat", "dirt_t", "jan")
"""A loss, phases, a step of its own, a second stage, a rate of its own."""


@dataclass(frozen=True)
class Update:
    """The weights by name after one update of some players."""

    step: int
    players: Sequence[str]
    weights: dict[str, Tensor]


def updates(method: str, **fields: Any) -> tuple[Learner, list[Update]]:
    """Take three steps, an epoch each, and keep the weights after every update of every player."""
    plugin = method_plugin(method)
    task = plugin.tasks[0]
    one, seen = small_learner(plugin, task, Training(**BASE | fields)), list[Update]()
    update = one.update

    def noted(players: Sequence[str]) -> None:
        update(players)
        seen.append(Update(step, players, {n: w.detach().clone() for n, w in one.named_parameters()}))

    one.update = noted  # type: ignore[method-assign]
    torch.manual_seed(1)
    for step in range(STEPS):
        one.at = Progress(step + 1, step, STEPS)
        plain = torch.randn(TARGETS, 3, SIDE, SIDE)
        one.before_epoch(lambda plain=plain: plain.split(4))  # type: ignore[misc]
        one.step(*random_batch(task))
    return one, seen


def first_difference(method: str, fields: dict[str, Any]) -> tuple[Learner, Update, set[str]]:
    """The first update after which a training with other fields differs, and the names of the weights that do."""
    _, ours = updates(method)
    one, theirs = updates(method, **fields)
    for mine, other in zip(ours, theirs, strict=True):
        if names := {n for n, w in mine.weights.items() if not torch.equal(w, other.weights[n])}:
            return one, other, names
    raise AssertionError(f"{fields} changed no step of {method}")


ACTS = {  # field → the step, from 0, at which it first acts
    "step": ({"schedule": "step", "schedule_options": {"every": 2}}, 2),
    "multistep": ({"schedule": "multistep", "schedule_options": {"at": [1]}}, 1),
    "cosine": ({"schedule": "cosine"}, 1),
    "poly": ({"schedule": "poly"}, 1),
    "inverse_iterations": ({"schedule": "inverse_iterations", "schedule_options": {"gamma": 1.0}}, 1),
    "inverse_progress": ({"schedule": "inverse_progress"}, 1),
    "warm_up": ({"learning_rate_warm_up": 2}, 0),
    "nesterov": ({"nesterov": True}, 0),
    "clip_norm": ({"clip_norm": 1e-7}, 0),
}


def every(methods: Sequence[str]) -> pytest.MarkDecorator:
    quick = [name for name in methods if name in SOME]
    slow = [pytest.param(name, marks=pytest.mark.slow) for name in methods if name not in SOME]
    return pytest.mark.parametrize("method", [*quick, *slow])


TRAINED = [name for name in plugins.names("method") if not method_plugin(name).by_prompts]
every_method = every(TRAINED)


@every_method
def test_it_first_acts_at_the_step_that_it_says(method: str) -> None:
    for name, (fields, step) in ACTS.items():
        assert first_difference(method, fields)[1].step == step, name


NOISY = ("gta", "lsd")
"""Their generators have biases before a BatchNorm: gradients of rounding errors alone, which Adam makes whole steps."""


@every([name for name in TRAINED if name not in NOISY])
def test_adams_betas_act_from_the_second_step_on(method: str) -> None:
    """The first update of a player does not depend on them, but for rounding."""
    adam, betas, seen = {"optimizer": "adam", "learning_rate": 1e-4}, (0.5, 0.9), set[str]()
    one, changed = updates(method, **adam, betas=betas)
    for mine, other in zip(updates(method, **adam)[1], changed, strict=True):
        if not seen & set(mine.players):
            assert all(torch.allclose(w, other.weights[n], atol=1e-7) for n, w in mine.weights.items())
        else:
            assert any(not torch.allclose(w, other.weights[n], atol=1e-7) for n, w in mine.weights.items())
            return
        seen |= {player for player in mine.players if one.trainings[player].betas == betas}
    raise AssertionError("no player was updated twice")


@every_method
def test_what_changes_nothing_changes_no_step(method: str) -> None:
    _, plain = updates(method)
    for fields in ({"schedule": "constant"}, {"clip_norm": 1e9}, {"iterations_per_epoch": 5}, {"rates": {"head": 1}}):
        _, same = updates(method, **fields)
        for mine, other in zip(plain, same, strict=True):
            assert all(torch.equal(w, other.weights[n]) for n, w in mine.weights.items()), fields


def parts(one: Learner) -> Callable[[str], str | None]:
    of_layer = dict(one.named_modules())
    return lambda weight: part_of(of_layer[weight.rpartition(".")[0]])


@every_method
def test_a_rate_of_the_backbone_first_changes_weights_of_the_backbone_alone(method: str) -> None:
    one, update, names = first_difference(method, {"rates": {"backbone": 0.5}})
    assert update.step == 0
    assert {parts(one)(name) for name in names} == {"backbone"}


@every_method
def test_decay_of_norms_and_biases_first_changes_those_alone(method: str) -> None:
    one, update, names = first_difference(method, {"decay_norms_and_biases": True})
    shapes = dict(one.named_parameters())
    assert update.step == 0
    assert all(shapes[name].ndim <= 1 for name in names)


@every_method
def test_a_players_own_rate_first_changes_its_weights_alone(method: str) -> None:
    plain, _ = updates(method)
    for player in plain.players():
        one, update, names = first_difference(method, {"players": {player: {"learning_rate": 0.02}}})
        own = {id(weight) for module in one.players()[player] for weight in module.parameters()}
        assert player in update.players
        assert {name for name in names if id(dict(one.named_parameters())[name]) not in own} == set()
