"""A recipe of a suite: every pair follows it, its name says when it is changed, and its printed pairs are checked."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from drawn_suites import write_domains, write_suite
from hypothesis import given
from hypothesis import strategies as st

from dta_bench.cli.arguments import options_of
from dta_bench.cli.sweep_suite import print_suite_plan
from dta_bench.errors import UserError
from dta_bench.run.workspace import Workspace
from dta_bench.spec import recipe as recipes
from dta_bench.sweep.choose_runs import for_benchmark, make_plan
from dta_bench.sweep.suite import SuitePlan, plan_suite

MINE = """# A recipe of mine.
method: dann
benchmark: zoo
backbone: conv3_fc2
training: {epochs: 3, optimizer: sgd, learning_rate: 0.1, batch_size: 4}
parameters: {width: 64}
printed:
  value: 70
  metric: accuracy
  epoch_chosen_by: source validation
  pairs: {photo -> ink: 60, ink -> photo: 80}
source: a paper, Table 1
differs: [Their network is deeper.]
"""
OF_SUITE, OF_PAIR = "dann_zoo_mine", "dann_zoo.ink-to-photo_mine"


def write_recipe(name: str, text: str) -> None:
    path = Path(f"search_spaces/recipes/{name}.yaml")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A suite of three domains, two of which have data, with a recipe."""
    monkeypatch.chdir(tmp_path)
    write_suite(tmp_path, image_size=28)
    write_domains(tmp_path / "data/zoo", {"photo": ["cat", "dog"], "ink": ["cat", "dog"]})
    write_recipe(OF_SUITE, MINE)
    return tmp_path


def write_recipe_of_pair() -> None:
    own = MINE.replace("benchmark: zoo", "benchmark: zoo.ink-to-photo").replace("width: 64", "width: 32")
    write_recipe(OF_PAIR, own.replace("  pairs: {photo -> ink: 60, ink -> photo: 80}\n", ""))


def plan(here: Path, *patterns: str, recipe: str = "published", **options: object) -> SuitePlan:
    asked = options_of(method=["dann"], recipe=recipe, seeds=1, confirm=0, **options)  # type: ignore[arg-type]
    return plan_suite("zoo", asked, patterns, here / "data")


def widths(found: SuitePlan) -> dict[str, object]:
    """Pair → the width of the method's runs, which the recipes here state."""
    return {
        key: run.params["width"] for key, one in found.plans.items() for run in one.runs if run.method == "dann"
    }  # fmt: skip


def test_every_pair_follows_the_recipe_of_the_suite(here: Path) -> None:
    found = plan(here)
    assert found.recipe == OF_SUITE
    assert widths(found) == {"photo -> ink": 64, "ink -> photo": 64}
    assert {one.training.epochs for one in found.plans.values()} == {3}
    assert {one.name for one in found.plans.values()} == {
        f"{OF_SUITE}_zoo.{pair}" for pair in ("photo-to-ink", "ink-to-photo")
    }


def test_so_does_a_pair_that_is_asked_for_alone(here: Path) -> None:
    assert widths(plan(here, "ink -> photo")) == {"ink -> photo": 64}
    own = make_plan(*for_benchmark("zoo.ink-to-photo", None), options_of(method=["dann"], recipe="published", seeds=1))
    assert (own.recipe, own.runs[0].params["width"]) == (OF_SUITE, 64)


def test_with_something_changed_it_is_named_so(here: Path) -> None:
    assert plan(here, epochs=1).recipe == f"{OF_SUITE} (changed)"
    assert plan(here, training=["batch_size=2"]).recipe == f"{OF_SUITE} (changed)"


def test_a_recipe_of_a_pair_goes_before_that_of_the_suite_for_this_pair_and_not_for_all(here: Path) -> None:
    write_recipe_of_pair()
    own = make_plan(*for_benchmark("zoo.ink-to-photo", None), options_of(method=["dann"], recipe="published", seeds=1))
    assert own.recipe == OF_PAIR
    assert set(widths(plan(here)).values()) == {64}
    assert widths(plan(here, "ink->photo", recipe=OF_PAIR)) == {"ink -> photo": 32}


def test_a_recipe_of_one_pair_is_refused_for_another(here: Path) -> None:
    write_recipe_of_pair()
    with pytest.raises(
        UserError, match=r"is of dann on zoo.ink-to-photo with conv3_fc2, not of dann on zoo.photo-to-ink"
    ):
        plan(here, recipe=OF_PAIR)


def test_a_dry_run_says_which_recipe_it_is_and_what_the_recipe_cannot_say(here: Path) -> None:
    places, said, as_json = (
        Workspace(str(here / "data"), str(here), f"sqlite:///{here}/none.db"),
        io.StringIO(),
        io.StringIO(),
    )
    print_suite_plan(plan(here), places, False, said, None, None)
    assert said.getvalue().splitlines()[:2] == [
        f"recipe {OF_SUITE}: printed 70 % accuracy, the average of 2 pairs (epoch chosen by source validation); "
        "a paper, Table 1",
        "  it differs: Their network is deeper.",
    ]
    print_suite_plan(plan(here), places, True, as_json, None, None)
    assert json.loads(as_json.getvalue())["recipe"] == OF_SUITE


@pytest.mark.parametrize(
    ("given", "instead", "says"),
    [
        ("ink -> photo: 80", "ink -> foto: 80", "ink -> foto is no pair of zoo, did you mean ink -> photo?"),
        ("value: 70", "value: 70.2", "printed.value is 70.2, but the mean of printed.pairs is 70.00"),
        ("photo -> ink: 60", "photo -> ink: 600", "printed.pairs.photo -> ink is 600"),
    ],
)
@pytest.mark.usefixtures("here")
def test_printed_pairs_that_cannot_be_are_refused(given: str, instead: str, says: str) -> None:
    write_recipe(OF_SUITE, MINE.replace(given, instead))
    with pytest.raises(UserError) as refused:
        recipes.read(OF_SUITE)
    assert says in str(refused.value)


@pytest.mark.usefixtures("here")
def test_an_average_that_is_not_the_mean_of_the_pairs_is_taken_if_a_sentence_says_why() -> None:
    write_recipe(
        OF_SUITE, MINE.replace("value: 70", "value: 75").replace("deeper.", "deeper, Their average is a slip.")
    )
    assert recipes.read(OF_SUITE).printed.value == 75


def test_printed_pairs_are_for_suites_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_recipe("dann_digits_mine", MINE.replace("benchmark: zoo", "benchmark: digits"))
    with pytest.raises(UserError, match=r"printed.pairs is for a suite, and digits is none"):
        recipes.read("dann_digits_mine")


@given(st.lists(st.floats(0, 100), min_size=1, max_size=12), st.integers(1, 2), st.integers(1, 2))
def test_an_average_of_rounded_figures_is_their_mean_however_they_are_rounded(
    figures: list[float], of_average: int, of_pairs: int
) -> None:
    average = round(sum(figures) / len(figures), of_average)
    assert recipes._is_mean(average, [round(one, of_pairs) for one in figures])


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=12), st.sampled_from([-1, 1]))
def test_an_average_that_is_further_off_than_rounding_is_not_their_mean(tenths: list[int], sign: int) -> None:
    figures = [one / 10 for one in tenths]
    assert not recipes._is_mean(round(sum(figures) / len(figures), 1) + sign * 0.2, figures)
