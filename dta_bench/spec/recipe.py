"""A published training as data, ``search_spaces/recipes/<method>_<benchmark>_<backbone>.yaml``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import permutations
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dta_bench import plugins
from dta_bench.errors import UserError
from dta_bench.spec import yaml_file
from dta_bench.spec.declared_method import declared_method
from dta_bench.spec.plan import ALL
from dta_bench.spec.run_spec import Headline
from dta_bench.spec.search_space_file import Row, SearchSpaceFile, parameter_problems
from dta_bench.spec.training import Training

CHANGED = " (changed)"
Percent = Annotated[float, Field(ge=0, le=100)]
PUBLISHED = "published"
"""Stands for the recipe of the method, the benchmark and the backbone that were asked for."""


class Printed(BaseModel):
    """The printed result.

    Attributes:
        value: in percent, of a suite the average over pairs; None where the source prints a result for other data only.
        metric: its name here.
        epoch_chosen_by: what chose the epoch whose result is printed.
        pairs: of a suite: pair, as tables name it (``art -> clipart``) → what is printed for it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: Percent | None
    metric: Headline
    epoch_chosen_by: str
    pairs: dict[str, Percent] = Field(default_factory=dict)


class Recipe(BaseModel):
    """One method's published training on one benchmark, or on every pair of a suite, with one backbone.

    Attributes:
        benchmark: a benchmark, a suite, or one pair of a suite.
        weights: what the backbone starts from.
        parameters: of the method, where they differ from its defaults.
        source: the paper's table and the repository's file.
        differs: what the source does that this recipe cannot say, a sentence each.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: str
    benchmark: str
    backbone: str
    weights: str = "none"
    training: Training
    parameters: Row = Field(default_factory=dict)
    printed: Printed
    source: str = Field(min_length=1)
    differs: tuple[str, ...] = ()

    def is_for(self, benchmark: str) -> bool:
        """Whether it is of this benchmark or suite, or of the suite that this benchmark is a pair of."""
        return self.benchmark in (benchmark, plugins.suite_of(benchmark))

    def as_search_space(self, file: SearchSpaceFile) -> SearchSpaceFile:
        """Return the search space of the benchmark with this recipe as its only point."""
        own: dict[str, Any] = {"method": self.method, "training": self.training, "budget": ""}
        own |= {"sets": {}, "active_when": {}, "points": None}
        return file.model_copy(update=own | {"backbones": {self.backbone: self.parameters}})


def read(name: str) -> Recipe:
    """Read a recipe by its name.

    Raises:
        UserError: no such recipe, malformed YAML, or a list of everything that is wrong in it.
    """
    path = plugins.path("recipe", name)
    content = yaml_file.read_mapping(path, Recipe.model_fields)
    try:
        recipe = Recipe.model_validate(content)
        problems = _inconsistencies(path, recipe)
    except ValidationError as refused:
        models: Mapping[Any, type[BaseModel]] = {"training": Training, "printed": Printed}
        problems = [
            yaml_file.explain(
                error, list(models.get(error["loc"][0] if len(error["loc"]) > 1 else None, Recipe).model_fields)
            )
            for error in refused.errors()
        ]
    if problems:
        raise UserError("\n  ".join([f"{path} cannot be used:", *dict.fromkeys(problems)]))
    return recipe


def _inconsistencies(path: Path, recipe: Recipe) -> list[str]:
    plugins.path("method", recipe.method)
    if not plugins.is_suite(recipe.benchmark):
        plugins.path("benchmark", recipe.benchmark)
    known = declared_method(recipe.method).defaults()
    unknown = [name for name in recipe.parameters if name not in known]
    problems = [f"parameters.{name} is no parameter of {recipe.method}; it has {', '.join(known)}" for name in unknown]
    problems += parameter_problems(declared_method(recipe.method).params_type, recipe.parameters)
    if not path.stem.startswith(f"{recipe.method}_{recipe.benchmark}"):
        problems.append(f"its name does not begin with {recipe.method}_{recipe.benchmark}, its method and benchmark")
    return problems + _problems_of_pairs(recipe)


def _problems_of_pairs(recipe: Recipe) -> list[str]:
    """What is wrong in ``printed.pairs``: names of no pair, or a mean that is not the average as printed."""
    value, pairs = recipe.printed.value, recipe.printed.pairs
    if not pairs:
        return []
    if not plugins.is_suite(recipe.benchmark):
        return [f"printed.pairs is for a suite, and {recipe.benchmark} is none"]
    domains = yaml_file.read_mapping(plugins.path("suite", recipe.benchmark), ("domains",)).get("domains")
    names = list(domains) if isinstance(domains, list | dict) else []  # what else it is, the suite's reader refuses
    known = [f"{source} -> {target}" for source, target in permutations(names, 2)]
    problems = [
        f"printed.pairs.{pair} is no pair of {recipe.benchmark}{yaml_file.suggestion(pair, known)}; allowed: "
        f"{', '.join(known)}"
        for pair in pairs
        if pair not in known
    ]
    is_said = any("average" in sentence for sentence in recipe.differs)
    if value is not None and not is_said and not _is_mean(value, list(pairs.values())):
        mean = sum(pairs.values()) / len(pairs)
        problems.append(
            f"printed.value is {value:g}, but the mean of printed.pairs is {mean:.2f}; correct a figure, or say in "
            "differs why the average is not their mean"
        )
    return problems


def _is_mean(average: float, figures: list[float]) -> bool:
    """Whether an average is the mean of figures, where all of them are rounded as they are printed."""
    half_units = [0.5 * 10.0 ** max(_exponent(figure) for figure in some) for some in ([average], figures)]
    return abs(average - sum(figures) / len(figures)) <= sum(half_units) + 1e-9


def _exponent(figure: float) -> int:
    """The power of ten of the last digit of a figure: -1 of 54.9."""
    return int(Decimal(str(figure)).as_tuple().exponent)


def choose(wish: str, methods: Sequence[str], benchmark: str, backbones: Sequence[str] = ()) -> tuple[str, Recipe]:
    """Choose a recipe; that of a suite is for each of its pairs which has none of its own.

    Args:
        wish: ``published``, or a recipe's name.
        methods: those asked for, which have to be one.
        benchmark: a benchmark or a suite.
        backbones: those asked for; none: any.

    Returns:
        Its name, and the recipe.

    Raises:
        UserError: none fits, several do, the named one is of another method, benchmark or backbone, or more than one
            method or backbone is asked for.
    """
    if len(methods) > 1 or ALL in methods or len(backbones) > 1:
        raise UserError("a recipe is of one method and one backbone; give --recipe with one --method at a time")
    method, backbone = methods[0], next(iter(backbones), None)
    if wish != PUBLISHED:
        recipe = read(wish)
        wanted = (method, backbone or recipe.backbone)
        if (recipe.method, recipe.backbone) != wanted or not recipe.is_for(benchmark):
            raise UserError(
                f"the recipe {wish} is of {recipe.method} on {recipe.benchmark} with {recipe.backbone}, not of "
                f"{method} on {benchmark} with {wanted[1]}"
            )
        return wish, recipe
    names = [name for name in plugins.names("recipe") if name.startswith(f"{method}_")]
    there = {name: recipe for name in names if (recipe := read(name)).method == method and recipe.is_for(benchmark)}
    own = {name: recipe for name, recipe in there.items() if recipe.benchmark == benchmark}
    fitting = {name: recipe for name, recipe in (own or there).items() if backbone in (None, recipe.backbone)}
    if len(fitting) == 1:
        return next(iter(fitting.items()))
    if fitting:
        raise UserError(f"--recipe published fits {', '.join(fitting)}; give one of them, or --backbone")
    listed = ", ".join(there) or ", ".join(names) or ", ".join(plugins.names("recipe")) or "none"
    where = f" with {backbone}" if backbone else ""
    raise UserError(f"there is no recipe of {method} on {benchmark}{where}; there are: {listed}")


def changed(name: str) -> str:
    """What a recipe is called once something of it was changed."""
    return name if name.endswith(CHANGED) else name + CHANGED


def describe(name: str) -> str:
    """A recipe in words: what is printed, and what the source does that the recipe cannot say.

    Args:
        name: of the recipe; one that was changed is named so behind its name.
    """
    recipe = read(name.removesuffix(CHANGED))
    printed = recipe.printed
    value = "nothing" if printed.value is None else f"{printed.value:g} % {printed.metric}"
    if printed.pairs and printed.value is not None:
        value = f"{value}, the average of {len(printed.pairs)} pairs"
    said = (
        f"recipe {name}: printed {value} (epoch chosen by {printed.epoch_chosen_by}); {' '.join(recipe.source.split())}"
    )
    return "\n".join([said, *(f"  it differs: {difference}" for difference in recipe.differs)])
