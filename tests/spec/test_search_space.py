"""Finite sets: every distinct point once, whoever asks. The oracle is the definition of what a point means."""

import itertools
import warnings
from typing import Any

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dta_bench.errors import UserError
from dta_bench.spec.search_space import SearchSpace

PAPER = SearchSpace(
    {
        "lambda_1": (2,), "lambda_2": (0, 0.01, 0.02), "lambda_3": (0, 0.1, 0.2),
        "delta_e": (0, 0.1), "delta_c": (0, 0.01, 0.02, 0.05), "epsilon": (0, 3.5, 15),
    },
    {"epsilon": "lambda_3"},
)  # fmt: skip
Params = dict[str, Any]


def cells(space: SearchSpace) -> list[Params]:
    """All combinations of values, whether they differ in meaning or not."""
    return [dict(zip(space.sets, values, strict=True)) for values in itertools.product(*space.sets.values())]


def objective(cell: Params) -> tuple[object, ...]:
    """What of a cell enters Eq. 6: there is no VAT without a weight or without a radius."""
    vat = (cell["lambda_3"], cell["epsilon"]) if cell["lambda_3"] > 0 and cell["epsilon"] > 0 else None
    return cell["lambda_1"], cell["lambda_2"], cell["delta_e"], cell["delta_c"], vat


def key(point: Params) -> tuple[tuple[str, object], ...]:
    return tuple(sorted(point.items()))


def brute_force(space: SearchSpace, trials: int) -> list[Params]:
    """Points that Optuna's own exhaustive sampler asks for."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings(category=optuna.exceptions.ExperimentalWarning, action="ignore"):
        study = optuna.create_study(sampler=optuna.samplers.BruteForceSampler(seed=0))
    points: list[Params] = []

    def ask(trial: optuna.Trial) -> float:
        points.append(space.suggest(trial))
        return 0.0

    study.optimize(ask, n_trials=trials)
    return points


def test_the_papers_sets_are_216_cells_and_120_points() -> None:
    assert len(cells(PAPER)) == 216
    assert len(PAPER.points()) == len({key(p) for p in PAPER.points()}) == 120
    assert len({objective(cell) for cell in cells(PAPER)}) == 120


def test_optunas_exhaustive_sampler_reaches_120_of_120_and_none_twice() -> None:
    found = [key(point) for point in brute_force(PAPER, 200)]
    assert len(found) == len(set(found)) == 120
    assert set(found) == {key(point) for point in PAPER.points()}


def test_points_come_in_the_same_order_every_time() -> None:
    again = SearchSpace(dict(PAPER.sets), dict(PAPER.active_when))
    assert PAPER.points() == again.points()
    assert PAPER.points()[0] == {"lambda_1": 2, "lambda_2": 0, "lambda_3": 0, "delta_e": 0, "delta_c": 0}


def test_a_fixed_trial_gets_exactly_what_it_fixes() -> None:
    row = {"lambda_1": 2, "lambda_2": 0.02, "lambda_3": 0.2, "delta_e": 0.1, "delta_c": 0.01, "epsilon": 15}
    assert PAPER.suggest(optuna.trial.FixedTrial(row)) == row


def test_epsilon_is_not_asked_for_where_there_is_no_vat() -> None:
    row = {"lambda_1": 2, "lambda_2": 0, "lambda_3": 0, "delta_e": 0.1, "delta_c": 0.01}
    assert PAPER.suggest(optuna.trial.FixedTrial(row)) == row  # would raise if asked for epsilon


def test_epsilon_zero_is_no_choice_where_there_is_vat() -> None:
    row = {"lambda_1": 2, "lambda_2": 0, "lambda_3": 0.1, "delta_e": 0.1, "delta_c": 0.01, "epsilon": 0}
    with pytest.raises(ValueError, match=r"not in \(3.5, 15\)"):
        PAPER.suggest(optuna.trial.FixedTrial(row))


def test_cells_mean_the_same_point_exactly_if_they_are_the_same_objective() -> None:
    meant: dict[Any, set[Any]] = {}
    for cell in cells(PAPER):
        meant.setdefault(key(PAPER.canonical(cell)), set()).add(objective(cell))
    assert all(len(objectives) == 1 for objectives in meant.values())
    assert set(meant) == {key(point) for point in PAPER.points()}


def test_canonical_leaves_a_point_as_it_is() -> None:
    assert all(PAPER.canonical(point) == point for point in PAPER.points())


def test_what_is_inert_can_be_set_to_zero_without_changing_the_point() -> None:
    for cell in cells(PAPER):
        zeroed = {name: 0 if name in PAPER.inert(cell) else value for name, value in cell.items()}
        assert PAPER.canonical(zeroed) == PAPER.canonical(cell)
        assert objective(zeroed) == objective(cell)


def test_where_vat_is_off_every_epsilon_means_the_same_point() -> None:
    for cell in cells(PAPER):
        if cell["lambda_3"] == 0:
            assert PAPER.inert(cell) == {"epsilon"}
            assert all(PAPER.canonical(cell | {"epsilon": v}) == PAPER.canonical(cell) for v in PAPER.sets["epsilon"])


@pytest.mark.parametrize(("changed", "inert"), [
    ({}, set()),
    ({"lambda_3": 0}, {"epsilon"}),
    ({"epsilon": 0}, {"epsilon", "lambda_3"}),
    ({"delta_e": 0}, set()),
    ({"delta_e": 0, "delta_c": 0}, {"ramp_up_epochs"}),
    ({"lambda_3": 0, "delta_e": 0, "delta_c": 0}, {"epsilon", "ramp_up_epochs"}),
])  # fmt: skip
def test_inert_names_what_does_not_matter(changed: Params, inert: set[str]) -> None:
    row = {"lambda_1": 2, "lambda_2": 0.02, "lambda_3": 0.2, "delta_e": 0.1, "delta_c": 0.01, "epsilon": 15}
    assert PAPER.inert(row | {"ramp_up_epochs": 20, "kl": "mean"} | changed) == inert


def test_a_swept_ramp_is_asked_for_only_where_something_is_ramped_up() -> None:
    space = SearchSpace({"delta_e": (0, 0.1), "delta_c": (0, 0.05), "ramp_up_epochs": (1, 20)})
    assert len(space.points()) == 1 + 3 * 2
    assert {key(p) for p in brute_force(space, 20)} == {key(p) for p in space.points()}


def test_a_value_outside_its_set_is_refused_and_all_of_them_are_named() -> None:
    with pytest.raises(UserError, match=r"lambda_2 is 0.5, allowed: 0, 0.01, 0.02; delta_e is 1, allowed: 0, 0.1"):
        PAPER.check({"lambda_2": 0.5, "delta_e": 1, "lambda_3": 0.1})


def test_a_point_with_a_value_outside_its_set_has_no_canonical_form() -> None:
    with pytest.raises(UserError, match="epsilon is 7"):
        PAPER.canonical(PAPER.points()[0] | {"lambda_3": 0.1, "epsilon": 7})


def test_a_parameter_that_matters_may_not_be_missing() -> None:
    with pytest.raises(UserError, match="epsilon missing"):
        PAPER.canonical(PAPER.points()[0] | {"lambda_3": 0.1})


def test_true_is_not_one() -> None:
    with pytest.raises(UserError, match="use is True"):
        SearchSpace({"use": (1, 2)}).check({"use": True})


@pytest.mark.parametrize(("sets", "active_when", "said"), [
    ({"a": ()}, {}, "a has no set of values"),
    ({"a": (1, 1.0)}, {}, "the set of a holds 1.0 more than once"),
    ({"a": (0, 1), "b": (0, 1)}, {"a": "b"}, "the set of b has to come before it"),
    ({"a": (0, 1)}, {"a": "a"}, "the set of a has to come before it"),
    ({"a": (0, 1)}, {"a": "b"}, "the set of b has to come before it"),
    ({"a": (0, 1)}, {"b": "a"}, "b has no set of values"),
    ({"a": (0, 1), "b": (0,)}, {"b": "a"}, "the set of b has no value but zero"),
    ({"ramp_up_epochs": (1, 2), "delta_e": (0, 1)}, {}, "the set of ramp_up_epochs has to come after"),
])  # fmt: skip
def test_a_space_that_cannot_be_asked_for_is_refused(sets: Params, active_when: dict[str, str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        SearchSpace(sets, active_when)


VALUES = st.lists(st.sampled_from([0, 0.5, 1, 2]), min_size=1, max_size=3, unique=True).map(tuple)


@st.composite
def spaces(draw: st.DrawFn) -> SearchSpace:
    """Small spaces in which a later parameter may be switched by an earlier one."""
    names = ["a", "b", "c", "d"][: draw(st.integers(1, 4))]
    sets = {name: draw(VALUES) for name in names}
    active_when = {}
    for i, name in enumerate(names[1:], start=1):
        if any(sets[name]) and draw(st.booleans()):
            active_when[name] = draw(st.sampled_from(names[:i]))
    return SearchSpace(sets, active_when)


@given(spaces())
def test_in_any_space_points_are_distinct_canonical_and_inside(space: SearchSpace) -> None:
    points = space.points()
    assert len({key(point) for point in points}) == len(points) >= 1
    for point in points:
        space.check(point)
        assert space.canonical(point) == point
        assert space.inert(point) == set()


@given(spaces())
def test_in_any_space_a_trial_that_answers_with_a_point_gets_that_point(space: SearchSpace) -> None:
    assert all(space.suggest(optuna.trial.FixedTrial(point)) == point for point in space.points())


@given(spaces(), st.data())
def test_in_any_space_canonical_forms_are_points_and_stay_as_they_are(space: SearchSpace, data: st.DataObject) -> None:
    cell = {name: data.draw(st.sampled_from(values)) for name, values in space.sets.items()}
    zeros = all(0 in values for values in space.sets.values())
    try:
        meant = space.canonical(cell)
    except UserError:
        assert not zeros  # a switched parameter is zero, and its parent's set has no zero to mean instead
        return
    assert meant in space.points()
    assert space.canonical(meant) == meant


@given(spaces())
def test_in_any_space_optunas_exhaustive_sampler_finds_the_same_points(space: SearchSpace) -> None:
    points = space.points()
    assert {key(p) for p in brute_force(space, len(points) + 5)} == {key(p) for p in points}
