"""Searches over the paper's finite space propose every point once, even if the sampler comes back to one."""

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


def proposed(kind: str, count: int, seed: int = 0) -> list[Point]:
    proposals = Proposals(SPACE, FIRST, kind, seed)
    points = []
    while len(points) < count and (point := proposals.ask()) is not None:
        points.append(point)
        proposals.tell(point, value(point))
    return points


@pytest.mark.parametrize("kind", ["grid", "random", "tpe"])
def test_every_search_proposes_all_120_points_once_the_published_row_first(kind: str) -> None:
    points = proposed(kind, 1000)
    assert points[0] == FIRST
    assert len(points) == 120
    assert len({json.dumps(point, sort_keys=True) for point in points}) == 120


@pytest.mark.parametrize("kind", ["grid", "random", "tpe"])
def test_the_same_seed_proposes_the_same_points(kind: str) -> None:
    assert proposed(kind, 15) == proposed(kind, 15)
    assert proposed(kind, 15) != proposed(kind, 15, seed=1)


def test_tpe_learns_from_the_scores_that_it_is_told() -> None:
    def mean(kind: str) -> float:
        points = [value(point) for seed in range(5) for point in proposed(kind, 40, seed)[15:]]
        return sum(points) / len(points)

    assert mean("tpe") > mean("random") + 0.5


def test_tpe_holds_a_stopped_point_below_every_finished_one() -> None:
    """A partial score of 99 must not count as a final one: TPE goes on as if the point were bad."""
    space = SearchSpace({"x": (0, 1), "y": tuple(range(20))})
    points = []
    for seed in range(8):
        proposals = Proposals(space, {"x": 1, "y": 0}, "tpe", seed)
        for _ in range(20):
            point = proposals.ask()
            assert point is not None
            if point["x"] == 0:
                proposals.tell_stopped(point, 1, 99.0)
            else:
                proposals.tell(point, 1.0)
            points.append(point["x"])
    assert sum(points) / len(points) > 0.6


def test_points_that_are_open_or_failed_do_not_end_the_search() -> None:
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
