"""A suite's recipe in the table: its average once every pair is run, else how many are, and each pair by itself."""

import dataclasses
import io
from pathlib import Path
from typing import Any

import pytest
from drawn_suites import write_suite
from recipe_stores import RecipeStore
from rich.console import Console

from dta_bench.cost.sweep_estimate import epoch_lengths
from dta_bench.data.suite_plugin import suite_plugin
from dta_bench.report.document.recipe_table import RecipeRow, RecipeTable
from dta_bench.report.html.page import markdown
from dta_bench.report.recipes import table
from dta_bench.report.recipes.render import recipe_page, show_recipes, spell_verdict
from dta_bench.report.recipes.runs_of_recipe import pairs_of, plans_of
from dta_bench.report.suite.build import build_suite_report
from dta_bench.spec import recipe as recipes
from dta_bench.spec.run_spec import LabelSubset, RunSpec

NAME = "dann_zoo_mine"
MINE = """# A recipe of mine.
method: dann
benchmark: zoo
backbone: conv3_fc2
training: {epochs: 3, optimizer: sgd, learning_rate: 0.1, batch_size: 4}
printed:
  value: 70
  metric: accuracy
  epoch_chosen_by: source validation
  pairs: {photo -> ink: 60, ink -> photo: 80}
source: a paper, Table 1
"""
THERE, BACK = "photo -> ink", "ink -> photo"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RecipeStore:
    """An empty store where the user has a suite and a recipe of it; a pair costs 1.25 GPU hours."""
    (tmp_path / "search_spaces" / "recipes").mkdir(parents=True)
    (tmp_path / "search_spaces" / "recipes" / f"{NAME}.yaml").write_text(MINE)
    write_suite(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(table.plugins, "names", lambda kind: [NAME] if kind == "recipe" else [])
    monkeypatch.setattr(table, "estimate", lambda *_: {"why": "", "gpu_hours": 1.25})
    return RecipeStore()


def run_of(pair: str, seed: int = 0, **training: Any) -> RunSpec:
    recipe = recipes.read(NAME)
    (plan,) = (plan for one, plan in zip(pairs_of(recipe), plans_of(NAME, recipe), strict=True) if one.key == pair)
    wanted = plan.runs[0]
    return dataclasses.replace(
        wanted, seed=seed, label_subset=LabelSubset(size=40), training=wanted.training.model_copy(update=training)
    )


def add(store: RecipeStore, pair: str, rate: float, *seeds: int) -> None:
    for seed in seeds:
        store.add(run_of(pair, seed), rate)


def table_of(store: RecipeStore) -> RecipeTable:
    return table.recipe_table(store, "data")  # type: ignore[arg-type]


def row_of(store: RecipeStore) -> RecipeRow:
    (row,) = table_of(store).recipes
    return row


def screen_of(store: RecipeStore) -> str:
    console = Console(file=io.StringIO(), width=80)
    show_recipes(table_of(store), console)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_once_every_pair_is_run_it_has_the_average_and_the_interval_of_the_suites_report(store: RecipeStore) -> None:
    add(store, THERE, 0.6, 0, 1, 2)
    add(store, BACK, 0.8, 0, 1, 2)
    row = row_of(store)
    of_suite = build_suite_report(suite_plugin("zoo"), store, None, Path("data"))  # type: ignore[arg-type]
    assert row.ours.value == pytest.approx(of_suite.average["dann"])
    assert row.ours.ci95 == pytest.approx(of_suite.average_intervals["dann"])
    assert row.ours.ci95[0] <= 70 <= row.ours.ci95[1]
    assert (row.verdict, row.ours.over, row.gpu_hours) == ("inside", "seeds and images", None)
    assert row.points == pytest.approx(row.ours.value - 70)
    assert [(pair.pair, pair.printed, pair.verdict) for pair in row.pairs] == [
        (THERE, 60, "inside"), (BACK, 80, "inside"),
    ]  # fmt: skip


def test_an_average_that_is_not_the_printed_one_is_missed(store: RecipeStore) -> None:
    add(store, THERE, 0.3, 0, 1)
    add(store, BACK, 0.4, 0, 1)
    row = row_of(store)
    assert row.verdict == "missed"
    assert spell_verdict(row) == f"missed by {70 - row.ours.value:.1f} points, ours is lower"


def test_of_a_suite_that_is_run_in_part_it_is_said_how_many_pairs_are_and_what_the_others_cost(
    store: RecipeStore,
) -> None:
    add(store, THERE, 0.6, 0, 1)
    row = row_of(store)
    assert (row.ours, spell_verdict(row), row.gpu_hours) == (None, "1 of 2 pairs run", 1.25)
    assert [pair.verdict for pair in row.pairs] == ["inside", "not run"]
    said = screen_of(store)
    assert f"  dta-bench sweep zoo --method dann --recipe {NAME} --seeds 3 --confirm 0  # 0.6 to 2.5 GPU hours" in said


def test_a_suite_that_is_not_run_has_its_command_and_the_hours_of_all_its_pairs(store: RecipeStore) -> None:
    row = row_of(store)
    assert (spell_verdict(row), row.gpu_hours) == ("not run", 2.5)


def test_pairs_with_other_seeds_have_an_average_without_an_interval_and_without_a_verdict(store: RecipeStore) -> None:
    add(store, THERE, 0.6, 0, 1)
    add(store, BACK, 0.8, 0, 1, 2)
    row = row_of(store)
    assert (row.ours.ci95, row.ours.over, row.verdict) == (None, "nothing", "no interval")
    assert "no interval" in screen_of(store)


def test_runs_that_followed_it_changed_are_listed_with_their_pair(store: RecipeStore) -> None:
    store.add(run_of(BACK, batch_size=8), 0.6)
    store.tag_last(recipes.changed(NAME))
    row = row_of(store)
    assert (row.verdict, row.changed) == ("not run", [])
    assert f"{NAME}, {BACK} (changed): batch_size 8 instead of 4: " in screen_of(store)


def test_each_pair_has_a_row_on_the_page(store: RecipeStore) -> None:
    add(store, THERE, 0.6, 0, 1)
    page = markdown(recipe_page(table_of(store)))
    (line,) = (one for one in page.splitlines() if one.startswith(f"| {NAME} | {THERE} |"))
    assert "60.0" in line
    assert f"| {NAME} | {BACK} |" in page


def test_without_printed_pairs_it_is_of_all_that_the_suite_states(store: RecipeStore) -> None:
    path = Path(f"search_spaces/recipes/{NAME}.yaml")
    path.write_text(MINE.replace("  pairs: {photo -> ink: 60, ink -> photo: 80}\n", ""))
    assert len(row_of(store).pairs) == 6
    assert {pair.printed for pair in row_of(store).pairs} == {None}


def test_a_suite_without_its_data_is_estimated_from_the_counts_of_its_owners(tmp_path: Path) -> None:
    name = "cdan_office_home_resnet50"
    first = plans_of(name, recipes.read(name))[0]
    assert first.file.benchmark == "office_home.art-to-clipart"
    assert epoch_lengths(first, str(tmp_path)) == (1000, 4365)
