"""A grid's points come in the order in which Optuna's BruteForceSampler proposes them, without its square of time."""

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dta_bench.errors import UserError
from dta_bench.spec import search_space_file
from dta_bench.spec.search_space import Point, SearchSpace
from dta_bench.sweep.point_order import check_search, grid_order
from dta_bench.sweep.sampler import brute_force_sampler


def order_of_optuna(space: SearchSpace, first: Point, count: int, seed: int) -> list[Point]:
    """The same from a study of Optuna's, as earlier versions had it."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=brute_force_sampler(seed))
    study.enqueue_trial(first)
    points: list[Point] = []
    while len(points) < count:
        trial = study.ask()
        point = space.suggest(trial)
        if point not in points:
            points.append(point)
        if len(points) < count:
            study.tell(trial, 0.0)
    return points


@st.composite
def spaces(draw: st.DrawFn) -> SearchSpace:
    """Up to four sets, some of which are asked for only where an earlier one is above zero."""
    names = ["a", "b", "c", "d"][: draw(st.integers(1, 4))]
    sets = {name: tuple(range(draw(st.integers(1, 4)))) for name in names}
    parents = {
        name: draw(st.sampled_from(names[:i]))
        for i, name in enumerate(names)
        if i and len(sets[name]) > 1 and draw(st.booleans())
    }
    return SearchSpace(sets, parents)


@given(space=spaces(), seed=st.integers(0, 5), data=st.data())
def test_it_is_the_order_of_optunas_sampler(space: SearchSpace, seed: int, data: st.DataObject) -> None:
    points = space.points()
    first = data.draw(st.sampled_from(points))
    assert grid_order(space, first, len(points), seed) == order_of_optuna(space, first, len(points), seed)


def test_on_the_papers_space_too() -> None:
    file = search_space_file.read("visda")
    space = file.space(set(file.sets))
    first = space.canonical({k: v for k, v in file.row("resnet50").items() if k in file.sets})
    assert grid_order(space, first, 120) == order_of_optuna(space, first, 120, 0)


def test_with_wide_sets_too() -> None:
    space = SearchSpace({"a": tuple(range(19)), "b": tuple(range(11))})
    assert grid_order(space, {"a": 3, "b": 4}, 60) == order_of_optuna(space, {"a": 3, "b": 4}, 60, 0)


def test_fewer_points_are_the_beginning_of_more() -> None:
    space = SearchSpace({"a": (0, 1, 2), "b": (0, 1, 2)})
    assert grid_order(space, {"a": 1, "b": 1}, 4) == grid_order(space, {"a": 1, "b": 1}, 9)[:4]


def test_an_unknown_search_is_refused() -> None:
    with pytest.raises(UserError, match="--search best is not known; it takes grid, random, tpe"):
        check_search("best")
