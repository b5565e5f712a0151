"""Searches over the paper's finite space: every point once, whatever the sampler comes back to."""

from __future__ import annotations

import json

import pytest

from dta_bench.errors import UserError
from dta_bench.spec import search_space_file
from dta_bench.spec.search_space import Point, SearchSpace
from dta_bench.sweep.sampler import Proposals

FILE = search_space_file.read("visda")
SPACE = FILE.space(set(FILE.sets))
FIRST = SPACE.canonical({k: v for k, v in FILE.row("resnet50").items() if k in FILE.sets})


def value(point: Point) -> float:
    """Something to learn: the larger delta_c and lambda_3, the better."""
    return float(point["delta_c"]) * 100 + float(point["lambda_3"])


def asked(kind: str, count: int, seed: int = 0) -> list[Point]:
    proposals = Proposals(SPACE, FIRST, kind, seed)
    found = []
    while len(found) < count and (point := proposals.ask()) is not None:
        found.append(point)
        proposals.tell(point, value(point))
    return found


@pytest.mark.parametrize("kind", ["grid", "random", "tpe"])
def test_every_search_proposes_all_120_points_once_the_published_row_first(kind: str) -> None:
    points = asked(kind, 1000)
    assert points[0] == FIRST
    assert len(points) == 120
    assert len({json.dumps(point, sort_keys=True) for point in points}) == 120


@pytest.mark.parametrize("kind", ["grid", "random", "tpe"])
def test_the_same_seed_proposes_the_same_points(kind: str) -> None:
    assert asked(kind, 15) == asked(kind, 15)
    assert asked(kind, 15) != asked(kind, 15, seed=1)


def test_tpe_learns_what_it_is_told() -> None:
    def mean(kind: str) -> float:
        found = [value(point) for seed in range(5) for point in asked(kind, 40, seed)[15:]]
        return sum(found) / len(found)

    assert mean("tpe") > mean("random") + 0.5


def test_tpe_holds_a_stopped_point_below_every_finished_one() -> None:
    """A partial score of 99 must not look like a final one: TPE goes on as if it had been bad."""
    space = SearchSpace({"x": (0, 1), "y": tuple(range(20))})
    found = []
    for seed in range(8):
        proposals = Proposals(space, {"x": 1, "y": 0}, "tpe", seed)
        for _ in range(20):
            point = proposals.ask()
            assert point is not None
            if point["x"] == 0:
                proposals.tell_stopped(point, 1, 99.0)
            else:
                proposals.tell(point, 1.0)
            found.append(point["x"])
    assert sum(found) / len(found) > 0.6


def test_points_that_are_out_or_failed_leave_the_search_alive() -> None:
    proposals = Proposals(SPACE, FIRST, "tpe")
    one, two = proposals.ask(), proposals.ask()
    assert one is not None
    assert two is not None
    proposals.tell_failed(two)
    proposals.tell(one, 1.0)
    assert proposals.ask() not in (None, one, two)


def test_an_unknown_search_is_refused() -> None:
    with pytest.raises(UserError, match="--search evolution is not known; it takes grid, random, tpe"):
        Proposals(SPACE, FIRST, "evolution")
