"""A published training as data, ``search_spaces/recipes/<method>_<benchmark>_<backbone>.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dta_bench import plugins
from dta_bench.errors import UserError
from dta_bench.spec import yaml_file
from dta_bench.spec.declared_method import declared_method
from dta_bench.spec.run_spec import Headline
from dta_bench.spec.search_space_file import Row, SearchSpaceFile, parameter_problems
from dta_bench.spec.training import Training

CHANGED = " (changed)"
PUBLISHED = "published"
"""Stands for the recipe of the method, the benchmark and the backbone that were asked for."""


class Printed(BaseModel):
    """The printed result.

    Attributes:
        value: in percent; None where the source prints a result for other data only.
        metric: its name here.
        epoch_chosen_by: what chose the epoch whose result is printed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float | None = Field(ge=0, le=100)
    metric: Headline
    epoch_chosen_by: str


class Recipe(BaseModel):
    """One method's published training on one benchmark with one backbone.

    Attributes:
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
    for kind, name in (("method", recipe.method), ("benchmark", recipe.benchmark)):
        plugins.path(kind, name)
    known = declared_method(recipe.method).defaults()
    unknown = [name for name in recipe.parameters if name not in known]
    problems = [f"parameters.{name} is no parameter of {recipe.method}; it has {', '.join(known)}" for name in unknown]
    problems += parameter_problems(declared_method(recipe.method).params_type, recipe.parameters)
    if not path.stem.startswith(f"{recipe.method}_{recipe.benchmark}"):
        problems.append(f"its name does not begin with {recipe.method}_{recipe.benchmark}, its method and benchmark")
    return problems


def choose(wish: str, method: str, benchmark: str, backbone: str | None) -> tuple[str, Recipe]:
    """Choose a recipe.

    Args:
        wish: ``published``, or a recipe's name.
        backbone: the one asked for; None: any.

    Returns:
        Its name, and the recipe.

    Raises:
        UserError: none fits, several do, or the named one is of another method, benchmark or backbone.
    """
    if wish != PUBLISHED:
        recipe = read(wish)
        wanted = (method, benchmark, backbone or recipe.backbone)
        if (recipe.method, recipe.benchmark, recipe.backbone) != wanted:
            raise UserError(
                f"the recipe {wish} is of {recipe.method} on {recipe.benchmark} with {recipe.backbone}, not of "
                f"{' on '.join(wanted[:2])} with {wanted[2]}"
            )
        return wish, recipe
    names = [name for name in plugins.names("recipe") if name.startswith(f"{method}_")]
    of_pair = {
        name: recipe for name in names if (recipe := read(name)).method == method and recipe.benchmark == benchmark
    }
    fitting = {name: recipe for name, recipe in of_pair.items() if backbone in (None, recipe.backbone)}
    if len(fitting) == 1:
        return next(iter(fitting.items()))
    if fitting:
        raise UserError(f"--recipe published fits {', '.join(fitting)}; give one of them, or --backbone")
    there = ", ".join(of_pair) or ", ".join(names) or ", ".join(plugins.names("recipe")) or "none"
    where = f" with {backbone}" if backbone else ""
    raise UserError(f"there is no recipe of {method} on {benchmark}{where}; there are: {there}")


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
    said = (
        f"recipe {name}: printed {value} (epoch chosen by {printed.epoch_chosen_by}); {' '.join(recipe.source.split())}"
    )
    return "\n".join([said, *(f"  it differs: {difference}" for difference in recipe.differs)])
