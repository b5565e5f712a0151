"""Every shipped method: its contract, its phases, its sets, its cost."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from dta_bench import plugins
from dta_bench.check import check
from dta_bench.check.method import batch, made
from dta_bench.method_sets import method_sets
from dta_bench.profile import SOURCE_ONLY, Batch, Case, flops

METHODS = plugins.names("method")
POINTS = 6
every_method = pytest.mark.parametrize("name", METHODS)
with_sets = pytest.mark.parametrize("name", plugins.names("method_sets"))


@every_method
def test_it_keeps_its_contract(name: str) -> None:
    assert check("method", name, Path()).fails == []


@every_method
def test_its_phases_move_their_players_and_nothing_else(name: str) -> None:
    module = plugins.load("method", name)
    of = made(module, getattr(module, "tasks", ("classification",))[0])
    of.take(*batch(getattr(module, "tasks", ("classification",))[0]))
    players = {
        player: {id(weight) for group in own.param_groups for weight in group["params"]}
        for player, own in of.optimizers.items()
    }
    for moving, loss in of.phases():
        allowed = set().union(*(players[player] for player in moving))
        before = {name: value.detach().clone() for name, value in of.named_parameters()}
        of.gradients(moving, loss)
        of.update(moving)
        moved = {id(value) for name, value in of.named_parameters() if not torch.equal(value, before[name])}
        assert moved
        assert moved <= allowed


@with_sets
def test_its_sets_hold_six_points_and_its_row_is_one_of_them(name: str) -> None:
    own = method_sets(name)
    assert own is not None
    assert len(own.space.points()) >= POINTS
    row = dataclasses.asdict(plugins.load("method", name).Params()) | own.row
    assert own.space.canonical({key: row[key] for key in own.sets}) in own.space.points()


@with_sets
def test_its_file_opens_with_what_it_varies_and_its_command(name: str) -> None:
    first, second, *_ = plugins.path("method_sets", name).read_text().splitlines()
    assert first.startswith("# ")
    assert first.endswith(".")
    assert (
        second == f"#   dta-bench sweep {'gta5_cityscapes' if _segments(name) else 'digits'} --method {name} --points 6"
    )


def _segments(name: str) -> bool:
    return getattr(plugins.load("method", name), "tasks", ("classification",)) == ("segmentation",)


@pytest.mark.parametrize("name", [name for name in METHODS if hasattr(plugins.load("method", name), "floor")])
def test_it_costs_what_its_definition_needs(name: str) -> None:
    """FLOPs of a step on conv9_fc1 beside the floor that its file states, in source-only steps.

    What is beside the network (discriminators, kernels) and a first layer's gradient for its images are not in a floor.
    """
    module = plugins.load("method", name)
    with torch.device("meta"):
        net = plugins.load("backbone", "conv9_fc1").build(10)
    digits = Batch("classification", 10, 32, 3, (32, 32))
    case = Case(name, module, module.Params())
    ratio = flops(net, case, digits) / flops(net, SOURCE_ONLY, digits)
    assert 0.99 * module.floor(case.params) <= ratio <= 1.01 * module.floor(case.params)
