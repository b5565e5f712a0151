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
from dta_bench.spec.search_space import SearchSpace
from dta_bench.spec.search_space_file import Row, Sets, parameter_problems


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
