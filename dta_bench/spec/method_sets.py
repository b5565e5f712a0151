"""A method's own finite sets, ``search_spaces/methods/<method>.yaml``, for sweeps whose file is of another method."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dta_bench import plugins
from dta_bench.errors import UserError
from dta_bench.spec import yaml_file
from dta_bench.spec.declared_method import declared_method
from dta_bench.spec.search_space import SearchSpace, Value
from dta_bench.spec.search_space_file import Row, Sets, parameter_problems
from dta_bench.spec.spelling import spell_value


class MethodSets(BaseModel):
    """A method's own sets of values.

    Training, benchmark, seeds and backbones remain those of the sweep's file, so that all methods have one budget.

    Attributes:
        sets: parameter → values to try, in the order of the search space.
        active_when: parameter → its parent, see :class:`dta_bench.spec.search_space.SearchSpace`.
        row: the first point, where it differs from the method's defaults.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sets: Sets = Field(min_length=1)
    active_when: dict[str, str] = Field(default_factory=dict)
    row: Row = Field(default_factory=dict)

    @property
    def space(self) -> SearchSpace:
        """The sets as a search space."""
        return SearchSpace(self.sets, self.active_when)


def method_sets(method: str) -> MethodSets | None:
    """Read the file of a method's own sets.

    Returns:
        The sets; None if the method has no such file.

    Raises:
        UserError: malformed YAML, or a list of everything that is wrong in it.
    """
    if method not in plugins.names("method_sets"):
        return None
    return _read(plugins.path("method_sets", method), method)


@functools.cache
def _read(path: Path, method: str) -> MethodSets:
    content = yaml_file.read_mapping(path, MethodSets.model_fields)
    try:
        own = MethodSets.model_validate(content)
        problems = _inconsistencies(own, declared_method(method).params_type)
    except ValidationError as refused:
        problems = [yaml_file.explain(error, list(MethodSets.model_fields)) for error in refused.errors()]
    except UserError as refused_by_the_space:
        problems = [str(refused_by_the_space)]
    if problems:
        raise UserError("\n  ".join([f"{path} cannot be used:", *dict.fromkeys(problems)]))
    return own


def _inconsistencies(own: MethodSets, params: type) -> list[str]:
    """Names that are no parameters, or values that the method refuses.

    Raises:
        UserError: the first point is none of the space's.
    """
    fields: dict[str, Any] = {field.name: field.default for field in dataclasses.fields(params)}
    unknown = [name for name in [*own.sets, *own.row] if name not in fields]
    if unknown:
        suggestion = yaml_file.suggestion(unknown[0], fields)
        return [f"{', '.join(unknown)} is no parameter{suggestion}; allowed: {', '.join(fields)}"]
    values = [own.row, *({name: value} for name, swept in own.sets.items() for value in swept)]
    refused = [problem for each in values for problem in parameter_problems(params, each)]
    if not refused:
        own.space.canonical({name: (fields | own.row)[name] for name in own.sets})
    return refused


def without_pixels(space: SearchSpace, method: str) -> SearchSpace:
    """A method's own sets without the values that need images at every point, such as those that turn VAT on.

    Where a set would have no value left, all are returned as they are, so that the runs are refused.
    """
    refused = _values_that_need_images(method, tuple(space.sets.items()), tuple(space.active_when.items()))
    sets = {name: tuple(value for value in values if value not in refused[name]) for name, values in space.sets.items()}
    return SearchSpace(sets, space.active_when) if all(sets.values()) else space


def left_out(space: SearchSpace, method: str) -> list[str]:
    """The values that :func:`without_pixels` leaves out, such as ``lambda_3=0.1``."""
    kept = without_pixels(space, method).sets
    return [f"{name}={spell_value(value)}" for name in kept for value in space.sets[name] if value not in kept[name]]


@functools.cache
def _values_that_need_images(
    method: str, sets: tuple[tuple[str, tuple[Value, ...]], ...], switches: tuple[tuple[str, str], ...]
) -> dict[str, tuple[Value, ...]]:
    """Parameter → the values all of whose points need images."""
    plugin, space = declared_method(method), SearchSpace(dict(sets), dict(switches))
    defaults = plugin.defaults()
    needy = [(point, bool(plugin.need_of_pixels(defaults | point))) for point in space.points()]
    refused = dict[str, tuple[Value, ...]]()
    for name, values in sets:
        of_value = {value: [need for point, need in needy if point.get(name) == value] for value in values}
        refused[name] = tuple(value for value, needs in of_value.items() if needs and all(needs))
    return refused
