"""Every shipped recipe: its file, its plan, and one step of it."""

from __future__ import annotations

import dataclasses
import functools
from collections import Counter
from pathlib import Path

import pytest
import torch
from documentation import ROOT, shown_files

from dta_bench import plugins
from dta_bench.check.method import SIDE, TARGETS, random_batch, small_learner, small_network
from dta_bench.cost import flop_counts
from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.errors import UserError
from dta_bench.nn import learner, pretrained
from dta_bench.nn.learner import Progress, Setting
from dta_bench.report.document.recipe_table import RecipeRow
from dta_bench.report.recipes import table
from dta_bench.report.recipes.runs_of_recipe import pairs_of, plans_of
from dta_bench.run import preflight
from dta_bench.spec import recipe as recipes
from dta_bench.spec.method_plugin import method_plugin
from dta_bench.spec.plan import Options
from dta_bench.sweep import choose_runs, planned_plugins
from dta_bench.tracking import Tracker

RECIPES = plugins.names("recipe")
every_recipe = pytest.mark.parametrize("name", RECIPES)


@functools.cache
def recipes_by_method_and_benchmark() -> Counter[tuple[str, str]]:
    """How many recipes each method has on each benchmark, one a backbone."""
    return Counter((one.method, one.benchmark) for one in map(recipes.read, RECIPES))


def has_siblings(recipe: recipes.Recipe) -> bool:
    """Whether the method has recipes with other backbones on the benchmark, so that a command has to name one."""
    return recipes_by_method_and_benchmark()[recipe.method, recipe.benchmark] > 1


def one_benchmark_of(recipe: recipes.Recipe) -> str:
    """Its benchmark, or the first pair of its suite."""
    return next((pair.benchmark(recipe.benchmark) for pair in pairs_of(recipe)), recipe.benchmark)


def follow(name: str, monkeypatch: pytest.MonkeyPatch, **options: object) -> choose_runs.Plan:
    """The plan of a recipe by its own command; the backbone, whose weights are on the hub, is not built."""
    monkeypatch.setattr(planned_plugins, "check_backbone", lambda *_: None)
    recipe = recipes.read(name)
    backbones = (recipe.backbone,) if has_siblings(recipe) else ()
    asked = Options(methods=(recipe.method,), backbones=backbones, recipe=recipes.PUBLISHED, seeds=1)
    return choose_runs.make_plan(
        *choose_runs.for_benchmark(one_benchmark_of(recipe), None), dataclasses.replace(asked, **options)  # type: ignore[arg-type]
    )  # fmt: skip


@every_recipe
def test_its_command_plans_the_run_that_it_states(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = recipes.read(name)
    plan = follow(name, monkeypatch)
    (run,) = (run for run in plan.runs if run.method == recipe.method)
    assert (run.backbone, run.weights, run.training) == (recipe.backbone, recipe.weights, recipe.training)
    assert {key: run.params[key] for key in recipe.parameters} == recipe.parameters
    assert plan.recipe == name


@every_recipe
def test_it_opens_with_what_it_is_and_its_command(name: str) -> None:
    recipe = recipes.read(name)
    first, second, *_ = plugins.path("recipe", name).read_text(encoding="utf-8").splitlines()
    assert first.startswith("# ")
    assert first.endswith(".")
    command = f"#   dta-bench sweep {recipe.benchmark} --method {recipe.method} --recipe published"
    assert second == command + (f" --backbone {recipe.backbone}" if has_siblings(recipe) else "")


@every_recipe
def test_its_metric_is_one_of_its_task_and_no_space_is_named_after_it(name: str) -> None:
    recipe = recipes.read(name)
    assert (recipe.printed.metric == "miou") == (benchmark_of(one_benchmark_of(recipe)).task == "segmentation")
    assert name not in plugins.names("search_space")


@every_recipe
def test_its_training_takes_a_step(name: str) -> None:
    """On a small network: the schedule, the optimisers, the rates, BatchNorm and the parameters go together."""
    recipe, torch_seed = recipes.read(name), 0
    method, task = method_plugin(recipe.method), benchmark_of(one_benchmark_of(recipe)).task
    torch.manual_seed(torch_seed)
    params = method.params(method.defaults() | recipe.parameters)
    before = method.before(vars(params))
    first = small_learner(before[0], task, recipe.training) if before else None
    setting = Setting(recipe.training, 5, (3, SIDE, SIDE), TARGETS, first, tuple("abcde"))
    one = learner.build(method, small_network(task), params, setting)
    one.at = Progress(1, 1, recipe.training.epochs * (recipe.training.iterations_per_epoch or 1))
    one.before_epoch(lambda: torch.randn(TARGETS, 3, SIDE, SIDE).split(4))
    weights = [weight.clone() for weight in one.net.parameters()]
    parts = one.step_of_epoch(*random_batch(task))
    assert torch.isfinite(parts["total"])
    assert any(not torch.equal(a, b) for a, b in zip(weights, one.net.parameters(), strict=True))


@pytest.mark.slow  # the networks of all recipes at their own sizes, on the meta device
@every_recipe
def test_its_own_network_takes_a_step_of_its_method(name: str) -> None:
    recipe = recipes.read(name)
    plan = plans_of(name, recipe)[0]
    benchmark = plan.benchmark.for_training(recipe.training)
    assert flop_counts.flops_ratio(plan.runs[0], method_plugin(recipe.method), benchmark) > 0
    preflight.check(pretrained.backbone(recipe.backbone, benchmark.train_size), benchmark, recipe.training)


def test_a_changed_recipe_is_named_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = follow("mcc_visda_resnet101", monkeypatch, training=("batch_size=32",))
    assert plan.recipe == "mcc_visda_resnet101 (changed)"
    assert plan.training.batch_size == 32


def test_a_recipe_on_other_weights_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert follow("mcc_visda_resnet101", monkeypatch, weights="hub").recipe == "mcc_visda_resnet101"
    assert follow("mcc_visda_resnet101", monkeypatch, weights="/mine.pt").recipe == "mcc_visda_resnet101 (changed)"


def test_a_recipe_is_described_with_what_is_printed_and_what_it_cannot_say() -> None:
    said = recipes.describe(recipes.changed("mcc_visda_resnet101")).splitlines()
    assert said[0].startswith("recipe mcc_visda_resnet101 (changed): printed 83.6 % mean_class_accuracy")
    assert said[1:] == [f"  it differs: {each}" for each in recipes.read("mcc_visda_resnet101").differs]
    assert recipes.changed("a (changed)") == "a (changed)"


def test_a_baseline_trains_as_the_recipe_does_but_for_what_only_the_method_has(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = follow("mcc_visda_resnet101", monkeypatch)
    (baseline,) = (run for run in plan.runs if run.method == "source_only")
    assert baseline.training == plan.training.model_copy(update={"batchnorm": {}})


@pytest.mark.parametrize(
    ("space", "options", "says"),
    [
        ("visda", {"methods": ("simnet",)}, "there is no recipe of simnet on visda; there are:"),
        ("visda", {"methods": ("sdat",)}, "published fits sdat_visda_resnet101, sdat_visda_vit_base; give one of them"),
        ("visda", {"methods": ("mcc",), "backbones": ("resnet50",)}, "no recipe of mcc on visda with resnet50"),
        ("visda", {"methods": ("mcc", "dann")}, "a recipe is of one method and one backbone"),
        ("digits", {"methods": ("mcc",)}, "there is no recipe of mcc on digits; there are: mcc_office31_resnet50"),
        ("visda", {"methods": ("mcc",), "recipe": "dann_visda_resnet101"}, "is of dann on visda"),
        ("visda", {"methods": ("mcc",), "recipe": "mcc_visda"}, "there is no recipe named 'mcc_visda'; did you mean"),
    ],
)
def test_a_recipe_that_does_not_fit_is_refused(space: str, options: dict[str, object], says: str) -> None:
    asked = Options(**{"recipe": "published"} | options)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=says):
        choose_runs.make_plan(*choose_runs.for_benchmark(space, None), asked)


MINE = """# A recipe of mine.
method: dann
benchmark: digits
backbone: conv3_fc2
training: {epochs: 3, optimizer: sgd, learning_rate: 0.1, batch_size: 16, schedule: cosine}
printed: {value: 90, metric: accuracy, epoch_chosen_by: source validation}
source: a paper, Table 1
"""


def test_a_recipe_of_a_new_paper_is_one_file_where_the_user_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "search_spaces" / "recipes").mkdir(parents=True)
    (tmp_path / "search_spaces" / "recipes" / "dann_digits_mine.yaml").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    plan = choose_runs.make_plan(
        *choose_runs.for_benchmark("digits", None), Options(methods=("dann",), recipe="published", seeds=1)
    )
    assert plan.recipe == "dann_digits_mine"
    assert plan.training.schedule == "cosine"
    wrong = MINE.replace("epochs: 3", "epoch: 3").replace("value: 90", "value: 900")
    (tmp_path / "search_spaces" / "recipes" / "dann_digits_mine.yaml").write_text(wrong)
    with pytest.raises(UserError, match="cannot be used") as refused:
        recipes.read("dann_digits_mine")
    for part in ("training.epoch is not a key here", "training.epochs is missing", "printed.value is 900"):
        assert part in str(refused.value)


def test_the_recipe_that_the_docs_show_can_be_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = shown_files((ROOT / "docs" / "training.md").read_text(encoding="utf-8"))
    (path,) = (name for name in shown if name.startswith("search_spaces/recipes/"))
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text(shown[path], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    plan = choose_runs.make_plan(
        *choose_runs.for_benchmark("digits", None), Options(methods=("mcc",), recipe="published", seeds=1)
    )
    assert plan.recipe == Path(path).stem
    assert plan.recipe in {row.recipe for row in table_of_recipes(tmp_path)}


def table_of_recipes(folder: Path) -> list[RecipeRow]:
    """The rows of ``report --recipes`` on an empty store, without its estimates."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table, "estimate", lambda *_: {"why": "not counted", "gpu_hours": 0.0})
        return table.recipe_table(Tracker(f"sqlite:///{folder / 'none.db'}", folder), "data").recipes
