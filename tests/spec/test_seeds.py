"""The role of a run follows from its seed, and from nothing else."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_runs import spec_of

from dta_bench.errors import UserError
from dta_bench.spec import search_space_file
from dta_bench.spec.plan import Options
from dta_bench.spec.run_spec import RunSpec
from dta_bench.spec.seeds import confirmation_seeds, is_confirmation
from dta_bench.sweep.choose_runs import make_plan


def test_confirmation_has_the_seeds_from_1000_on_and_a_search_those_below() -> None:
    assert confirmation_seeds(3) == (1000, 1001, 1002)
    assert confirmation_seeds(0) == ()
    assert [is_confirmation(seed) for seed in (0, 999, 1000, 5000)] == [False, False, True, True]


@given(st.integers(1, 1000), st.integers(0, 50))
def test_no_search_reaches_a_confirmation_seed(seeds: int, confirm: int) -> None:
    assert not set(range(seeds)) & set(confirmation_seeds(confirm))


def test_a_run_spec_has_no_field_for_its_role_and_keeps_its_identity() -> None:
    assert [field.name for field in dataclasses.fields(RunSpec)] == [
        "benchmark", "backbone", "weights", "method", "params", "training", "label_subset", "seed", "budget",
    ]  # fmt: skip
    assert spec_of("source_only", seed=1000).id == dataclasses.replace(spec_of("source_only"), seed=1000).id


def test_more_seeds_than_a_search_may_have_are_refused_with_one_sentence() -> None:
    file = search_space_file.read("digits")
    with pytest.raises(UserError, match=r"^--seeds 1001 reaches the seeds from 1000 on.*allowed: 1 to 1000$"):
        make_plan("digits", file, Options(seeds=1001))
    assert max(run.seed for run in make_plan("digits", file, Options(seeds=1000, points=1)).runs) == 999


def test_a_file_asks_for_confirmation_runs_and_the_command_line_has_the_last_word() -> None:
    file = search_space_file.read("digits").model_copy(update={"confirm": 3})
    assert make_plan("digits", file, Options()).confirm == 3
    assert make_plan("digits", file, Options(confirm=0)).confirm == 0
    assert make_plan("digits", file, Options(confirm=5)).confirm == 5


def test_a_file_that_does_not_speak_of_confirmation_has_none() -> None:
    assert search_space_file.SearchSpaceFile.model_fields["confirm"].default == 0


def test_a_first_seed_moves_search_and_confirmation_alike_and_no_run_of_the_first_lab_returns() -> None:
    file = search_space_file.read("digits").model_copy(update={"confirm": 3})
    ours, theirs = (make_plan("digits", file, Options(points=2, seeds=2, first_seed=first)) for first in (0, 100))
    assert (theirs.seeds, theirs.confirmation_seeds) == ((100, 101), (1100, 1101, 1102))
    assert not {run.id for run in ours.runs} & {run.id for run in theirs.runs}
    assert [dataclasses.replace(run, seed=run.seed - 100) for run in theirs.runs] == list(ours.runs)


def test_a_first_seed_from_which_the_search_reaches_confirmation_seeds_is_refused() -> None:
    file = search_space_file.read("digits")
    with pytest.raises(UserError, match=r"^--seeds 3 from --first-seed 998 on reaches .*; allowed: 1 to 2$"):
        make_plan("digits", file, Options(seeds=3, first_seed=998))
