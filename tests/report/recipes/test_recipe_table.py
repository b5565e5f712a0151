"""Published recipes beside the runs that followed them: unchanged, changed, or the command that would run them."""

import dataclasses
import io
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from command_line import refusal
from recipe_stores import RecipeStore
from rich.console import Console
from stored_runs import classes_of, markdown_of, report_of

from dta_bench import plugins
from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.report.document import frozen_record
from dta_bench.report.document.recipe_table import RecipeRow, RecipeTable
from dta_bench.report.headline_and_warnings import warnings
from dta_bench.report.html.page import markdown
from dta_bench.report.recipes import table
from dta_bench.report.recipes.render import TOO_WIDE, recipe_page, show_recipes, spell_verdict
from dta_bench.report.recipes.runs_of_recipe import command_of, pairs_of, plan_of, plans_of
from dta_bench.spec import recipe as recipes
from dta_bench.spec.plan import Options
from dta_bench.spec.run_spec import LabelSubset, RunSpec
from dta_bench.sweep import choose_runs, planned_plugins
from dta_bench.tracking import Tracker

MINE = """# A recipe of mine.
method: dann
benchmark: fonts_digits
backbone: conv3_fc2
training: {epochs: 3, optimizer: sgd, learning_rate: 0.1, batch_size: 16, schedule: cosine}
parameters: {width: 64}
printed: {value: 60, metric: accuracy, epoch_chosen_by: source validation}
source: a paper, Table 1
differs: [Their network is deeper.]
"""
NAME = "dann_fonts_digits_mine"
SHIPPED = [name for name in plugins.names("recipe") if name.startswith(("dan", "mcc", "vada"))]
"""The rows of all others are held by the tests of every recipe."""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RecipeStore:
    """An empty store where the user has one recipe beside a few shipped ones; what costs hours is not counted."""
    names = plugins.names
    (tmp_path / "search_spaces" / "recipes").mkdir(parents=True)
    (tmp_path / "search_spaces" / "recipes" / f"{NAME}.yaml").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plugins, "names", lambda kind: sorted([NAME, *SHIPPED]) if kind == "recipe" else names(kind))
    monkeypatch.setattr(table, "estimate", lambda *_: {"why": "", "gpu_hours": 1.25})
    return RecipeStore()


def run_of_recipe(seed: int = 0, **training: Any) -> RunSpec:
    """A run of the recipe with a labelled subset, and other training where it is given."""
    wanted = plan_of(NAME, recipes.read(NAME)).runs[0]
    return dataclasses.replace(
        wanted, seed=seed, label_subset=LabelSubset(size=40), training=wanted.training.model_copy(update=training)
    )


def table_of(store: RecipeStore) -> RecipeTable:
    return table.recipe_table(store, "data")  # type: ignore[arg-type]


def row_of(store: RecipeStore) -> RecipeRow:
    return next(row for row in table_of(store).recipes if row.recipe == NAME)


def test_runs_of_a_recipe_stand_beside_what_is_printed(store: RecipeStore) -> None:
    for seed in range(3):
        store.add(run_of_recipe(seed), 0.6)
    row = row_of(store)
    assert row.ours.seeds == [0, 1, 2]
    assert row.ours.over == "seeds and images"
    assert row.ours.ci95[0] <= 60 <= row.ours.ci95[1]
    assert (row.verdict, row.gpu_hours, row.changed) == ("inside", None, [])
    assert row.points == pytest.approx(row.ours.value - 60)


@pytest.mark.parametrize(("rate", "says"), [(0.3, "ours is lower"), (0.9, "ours is higher")])
def test_a_printed_value_outside_the_interval_is_missed_by_so_many_points(
    store: RecipeStore, rate: float, says: str
) -> None:
    for seed in range(3):
        store.add(run_of_recipe(seed), rate)
    row = row_of(store)
    assert row.verdict == "missed"
    assert spell_verdict(row) == f"missed by {abs(row.ours.value - 60):.1f} points, {says}"


def test_an_interval_that_hardly_anything_is_outside_of_has_its_width_beside_the_verdict(store: RecipeStore) -> None:
    for seed, rate in enumerate((0.3, 0.9)):
        store.add(run_of_recipe(seed), rate)
    row = row_of(store)
    width = row.ours.ci95[1] - row.ours.ci95[0]
    assert width > TOO_WIDE
    assert spell_verdict(row) == f"inside (interval of {width:.1f} points: hardly any value is outside)"
    assert "the same runs may have another interval there" in " ".join(screen_of(store).split())


def test_recipes_with_runs_come_first_and_the_others_are_counted_on_a_terminal(store: RecipeStore) -> None:
    store.add(run_of_recipe(), 0.6)
    rows = table_of(store).recipes
    assert [row.recipe for row in rows if row.has_runs] == [rows[0].recipe] == [NAME]
    assert f"{len(rows) - 1} recipes are not run: the page and --json have the command" in screen_of(store)
    assert "Not run:" not in screen_of(store)


def test_the_commands_lead_to_the_same_data_and_store(store: RecipeStore) -> None:
    rows = table.recipe_table(store, "data", " --root d --out mine").recipes  # type: ignore[arg-type]
    assert all(row.command.endswith(" --confirm 0 --root d --out mine") for row in rows)


def test_confirmation_runs_are_read_where_they_are(store: RecipeStore) -> None:
    for seed, rate in ((0, 0.9), (1000, 0.6), (1001, 0.6)):
        store.add(run_of_recipe(seed), rate)
    row = row_of(store)
    assert (row.ours.seeds, row.ours.confirmed, row.verdict) == ([1000, 1001], True, "inside")


def test_of_one_seed_the_interval_is_over_images_and_that_is_said(store: RecipeStore) -> None:
    store.add(run_of_recipe(), 0.6)
    assert row_of(store).ours.over == "images"
    assert "one seed, so the interval is over test images alone" in screen_of(store)


def test_a_run_that_followed_a_changed_recipe_is_listed_with_what_was_changed(store: RecipeStore) -> None:
    store.add(run_of_recipe(batch_size=32), 0.6)
    assert row_of(store).changed == []  # a run like any other, which nobody said to follow the recipe
    store.tag_last(recipes.changed(NAME))
    row = row_of(store)
    assert row.verdict == "not run"
    (one,) = row.changed
    assert one.changes == ["batch_size 32 instead of 16"]
    assert f"{NAME} (changed): batch_size 32 instead of 16: {one.score.value:.1f} % (seed 0)" in screen_of(store)


def test_a_run_whose_recipe_has_changed_since_is_changed(store: RecipeStore) -> None:
    store.add(run_of_recipe(), 0.6)
    store.tag_last(NAME)
    path = plugins.path("recipe", NAME)
    path.write_text(MINE.replace("width: 64", "width: 32"))
    assert [one.changes for one in row_of(store).changed] == [["width 64 instead of 32"]]


def test_the_report_of_a_benchmark_names_the_recipe_and_that_it_was_changed(store: RecipeStore) -> None:
    for seed in range(2):
        store.add(run_of_recipe(seed, batch_size=32), 0.6)
        store.tag_last(recipes.changed(NAME))
    report = report_of(store, classes_of(benchmark_of("fonts_digits")))
    assert report.recipes == [f"{NAME} (changed)"]
    said = f"Trained by the recipe {NAME} (changed); dta-bench report --recipes has what is printed."
    assert said in warnings(report)
    assert said in markdown_of(report)


def test_a_training_that_is_equal_is_the_recipe_whatever_its_command_was_called(store: RecipeStore) -> None:
    store.add(run_of_recipe(), 0.6)
    store.tag_last(recipes.changed(NAME))  # --set width=64, which it is anyway
    row = row_of(store)
    assert row.ours is not None
    assert row.changed == []


def test_what_was_not_run_has_its_command_and_an_estimate_that_is_called_one(store: RecipeStore) -> None:
    said = screen_of(store)
    assert f"  {command_of(NAME, recipes.read(NAME))}  # 0.6 to 2.5 GPU hours" in said.splitlines()
    assert "GPU hours are an estimate" in said


def test_runs_with_another_labelled_subset_are_counted_and_left_out(store: RecipeStore) -> None:
    for seed in range(2):
        store.add(run_of_recipe(seed), 0.6)
    store.add(dataclasses.replace(run_of_recipe(), label_subset=LabelSubset(size=41)), 0.9)
    row = row_of(store)
    assert (row.ours.seeds, row.left_out) == ([0, 1], 1)


def test_what_a_recipe_cannot_say_is_on_the_page_and_beside_its_runs(store: RecipeStore) -> None:
    store.add(run_of_recipe(), 0.6)
    assert "| dann\\_fonts\\_digits\\_mine | Their network is deeper. |".replace("\\", "") in page_of(store)
    assert f"{NAME} differs: Their network is deeper." in screen_of(store)


def test_the_table_is_kept_in_three_forms_and_can_be_read_back(store: RecipeStore, tmp_path: Path) -> None:
    found = table_of(store)
    table.write_recipes(found, tmp_path)
    assert {path.name for path in tmp_path.glob("recipes.*")} == {"recipes.html", "recipes.json", "recipes.md"}
    assert frozen_record.read(RecipeTable, tmp_path / "recipes.json") == found
    assert json.loads((tmp_path / "recipes.json").read_text())["schema_version"] == 1


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "estimate", lambda *_: {"why": "no sizes", "gpu_hours": 0.0})
    none = Tracker(f"sqlite:///{tmp_path / 'none.db'}", tmp_path)
    rows = table.recipe_table(none, "data").recipes
    assert {(row.verdict, row.gpu_hours, row.no_estimate) for row in rows} == {("not run", None, "no sizes")}
    assert not (tmp_path / "none.db").exists()


def test_every_line_of_the_screen_but_commands_and_sentences_fits_80_columns(store: RecipeStore) -> None:
    lines = [
        line for line in screen_of(store).splitlines() if not re.match(r"  dta-bench|\w+ (differs|\(changed\)):", line)
    ]
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("name", plugins.names("recipe"))
def test_the_command_runs_what_is_counted(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command's own plan has the same runs, but for the labelled subset that the search space draws."""
    monkeypatch.setattr(planned_plugins, "check_backbone", lambda *_: None)
    recipe = recipes.read(name)
    words = shlex.split(command_of(name, recipe))
    given = dict(zip(words[3::2], words[4::2], strict=True))
    options = Options(
        methods=(given["--method"],), recipe=given["--recipe"], seeds=int(given["--seeds"]),
        confirm=int(given["--confirm"]),
    )  # fmt: skip
    benchmarks = [pair.benchmark(words[2]) for pair in pairs_of(recipe)] or [words[2]]
    for benchmark, counted in zip(benchmarks, plans_of(name, recipe), strict=True):
        made = choose_runs.make_plan(*choose_runs.for_benchmark(benchmark, None), options)
        ours = {dataclasses.replace(run, label_subset=made.label_subset).id for run in counted.runs}
        assert ours == {run.id for run in made.runs}


def test_it_stands_alone_on_the_command_line() -> None:
    assert "or --recipes instead of it" in refusal("report --recipes digits")
    assert "--select would have no effect with --recipes" in refusal("report --recipes --select labels")


def screen_of(store: RecipeStore) -> str:
    console = Console(file=io.StringIO(), width=80)
    show_recipes(table_of(store), console)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def page_of(store: RecipeStore) -> str:
    return markdown(recipe_page(table_of(store)))
