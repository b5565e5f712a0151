"""One search-space file (YAML) read and checked: what is trained, on what, with which sets of values."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, TypeAdapter, ValidationError

from dta_bench import plugins
from dta_bench.errors import UserError
from dta_bench.spec import yaml_file
from dta_bench.spec.budget import canonical
from dta_bench.spec.declared_method import declared_method, validator
from dta_bench.spec.run_spec import LabelSubset, Training
from dta_bench.spec.search_space import Point, SearchSpace, Value
from dta_bench.spec.seeds import FIRST_CONFIRMATION_SEED

DEFAULT_OF_TASK = {"classification": "any_pair", "segmentation": "any_segmentation_pair"}
"""The search space, by task, of a benchmark that has none of its own name."""


def _value(given: Any) -> Value:
    """One value of a parameter; a string that is a number (PyYAML's ``1e-3``) is that number, 2.0 is 2."""
    if isinstance(given, bool):
        return given
    if not isinstance(given, str | int | float):
        raise ValueError("allowed: a number, a word, true or false")
    try:
        number = float(given)
    except ValueError:
        return given
    if not math.isfinite(number):
        raise ValueError("allowed: a finite number, a word, true or false")
    return int(number) if number.is_integer() else number


FileValue = Annotated[Value, PlainValidator(_value)]
Row = dict[str, FileValue]
Sets = dict[str, tuple[FileValue, ...]]


class SearchSpaceFile(BaseModel):
    """A search-space file.

    Attributes:
        extends: another search space, whose keys this file replaces; one level.
        baselines: methods that run beside ``method``.
        seeds: number of seeds of each point.
        confirm: number of confirmation runs of what is chosen of each method; see :mod:`dta_bench.spec.seeds`.
        points: number of points of a sweep that does not say how many it wants; None: all.
        budget: what all stages of a run together may train, see :mod:`dta_bench.spec.budget`; empty: no budget.
        labels: the labelled subset; None takes the benchmark's label budget.
        sets: parameter → values to try.
        active_when: parameter → its parent, see :class:`dta_bench.spec.search_space.SearchSpace`.
        backbones: a row of parameters for each backbone, the default backbone first. A parameter that has a set too is
            swept, starting at the row; the others are fixed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    extends: str | None = None
    benchmark: str
    method: str = "dta"
    baselines: tuple[str, ...] = ("source_only",)
    seeds: int = Field(default=1, gt=0, le=FIRST_CONFIRMATION_SEED)
    confirm: int = Field(default=0, ge=0)
    points: int | None = Field(default=None, gt=0)
    training: Training
    budget: Annotated[str, BeforeValidator(canonical)] = ""
    labels: LabelSubset | None = None
    sets: Sets = Field(default_factory=dict)
    active_when: dict[str, str] = Field(default_factory=dict)
    backbones: dict[str, Row] = Field(min_length=1)

    def space(self, parameters: set[str]) -> SearchSpace:
        """Return the search space of a method.

        Args:
            parameters: those that the method has; sets of others, and switches whose parent it lacks, are left out.
        """
        sets = {name: values for name, values in self.sets.items() if name in parameters}
        return SearchSpace(sets, {c: p for c, p in self.active_when.items() if c in sets and p in sets})

    def row(self, backbone: str) -> Point:
        """Return the parameters of a backbone; a backbone that is not in the file gets the first row."""
        return dict(self.backbones.get(backbone, next(iter(self.backbones.values()))))


def read(name_or_path: str | Path) -> SearchSpaceFile:
    """Read a search-space file by its plug-in name, or by its path if that ends in ``.yaml`` or ``.yml``.

    Raises:
        UserError: no such file, malformed YAML, or a list of everything that is wrong in it.
    """
    path = Path(name_or_path)
    if path.suffix not in {".yaml", ".yml"}:
        path = plugins.path("search_space", str(name_or_path))
    own = _mapping(path)
    base_path, base = _base(path, own)
    merged = base | own
    for key in {"sets", "active_when"} & base.keys() & own.keys():
        if isinstance(own[key], dict) and isinstance(base[key], dict):
            merged[key] = base[key] | own[key]
    problems = [*_schema_problems(merged), *_inconsistencies(merged)]
    if not problems:
        return SearchSpaceFile.model_validate(merged)
    lines = [f"{base_path}: {what}" if _is_inherited(where, own, base) else what for where, what in problems]
    raise UserError("\n  ".join([f"{path} cannot be used:", *dict.fromkeys(lines)]))


def benchmark_of(name: str) -> str:
    """Return the benchmark of a search space; its methods are not loaded, nor torch with them."""
    path = plugins.path("search_space", name)
    own = _mapping(path)
    stated = (_base(path, own)[1] | own).get("benchmark")
    return stated if isinstance(stated, str) else read(name).benchmark  # which says what is wrong


def _mapping(path: Path) -> dict[str, Any]:
    return {key: _composed(value) for key, value in yaml_file.read_mapping(path, SearchSpaceFile.model_fields).items()}


def _composed(value: Any) -> Any:
    """A value of the file with every name in it in composed form, as plug-ins are named."""
    if isinstance(value, dict):
        return {_composed(key): _composed(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_composed(one) for one in value]
    return plugins.composed(value) if isinstance(value, str) else value


def _base(path: Path, own: Mapping[str, Any]) -> tuple[Path, dict[str, Any]]:
    """What ``extends`` names, one level deep."""
    if not isinstance(own.get("extends"), str):
        return path, {}
    base_path = plugins.path("search_space", own["extends"])
    base = _mapping(base_path)
    if "extends" in base:
        raise UserError(f"{path}: extends {own['extends']}, which extends {base['extends']}; allowed: one level")
    return base_path, base


def _is_inherited(where: tuple[Any, ...], own: Any, base: Any) -> bool:
    """Whether the key at ``where`` stands in the base file and not in the file itself."""
    for key in where:
        if not isinstance(base, dict) or key not in base:
            return False
        if not isinstance(own, dict) or key not in own:
            return True
        own, base = own[key], base[key]
    return False


Problem = tuple[tuple[Any, ...], str]


def _schema_problems(content: dict[str, Any]) -> Iterator[Problem]:
    """Keys and values that the models refuse."""
    try:
        SearchSpaceFile.model_validate(content)
    except ValidationError as refused:
        for error in refused.errors():
            yield error["loc"], _explain(error)


def _explain(error: Any) -> str:
    where = error["loc"]
    models: dict[Any, type[BaseModel]] = {"training": Training, "labels": LabelSubset}
    return yaml_file.explain(
        error, list(models.get(where[0] if len(where) > 1 else None, SearchSpaceFile).model_fields)
    )


def _inconsistencies(content: dict[str, Any]) -> Iterator[Problem]:
    """Names of no plug-in, and rows that do not agree with sets and methods; parts of a wrong type are left out."""
    yield from _unknown_plug_ins(content)
    try:
        sets = TypeAdapter(Sets).validate_python(content.get("sets", {}))
        switches = TypeAdapter(dict[str, str]).validate_python(content.get("active_when", {}))
        rows = TypeAdapter(dict[str, Row]).validate_python(content.get("backbones", {}))
    except ValidationError:
        return
    try:
        space = SearchSpace(sets, switches)
    except UserError as error:
        yield ("sets",), str(error)
        return
    methods = _known_methods(content)
    for backbone, row in rows.items():
        yield from _row_problems(backbone, row, space, methods)


def _methods(content: Mapping[str, Any]) -> list[str]:
    baselines = content.get("baselines") or ()
    return [content.get("method", "dta"), *(baselines if isinstance(baselines, list | tuple) else ())]


def _unknown_plug_ins(content: Mapping[str, Any]) -> Iterator[Problem]:
    named = [("benchmark", "benchmark", content.get("benchmark"))]
    named += [("baselines" if i else "method", "method", name) for i, name in enumerate(_methods(content))]
    for key, kind, name in named:
        if isinstance(name, str):
            try:
                plugins.path(kind, name)
            except UserError as error:
                yield (key,), f"{key}: {error}"


def _known_methods(content: Mapping[str, Any]) -> list[type]:
    """The parameters of the file's methods, those that there are."""
    known = plugins.names("method")
    return [declared_method(name).params_type for name in _methods(content) if name in known]


def _row_problems(backbone: str, row: Point, space: SearchSpace, methods: list[type]) -> Iterator[Problem]:
    where = ("backbones", backbone)
    allowed = sorted({field.name for params in methods for field in dataclasses.fields(params)})
    for name in sorted(row.keys() - set(allowed) if allowed else ()):
        guess = yaml_file.suggestion(name, allowed)
        yield where, f"backbones.{backbone}.{name} is no parameter{guess}; allowed: {', '.join(allowed)}"
    try:
        space.canonical(row)
    except UserError as error:
        yield where, f"backbones.{backbone}: {error}"
    for params in methods:
        yield from ((where, f"backbones.{backbone}.{problem}") for problem in parameter_problems(params, row))
        swept = ({name: value} for name, values in space.sets.items() for value in values)
        yield from ((("sets",), f"sets.{problem}") for value in swept for problem in parameter_problems(params, value))


def parameter_problems(params: type, values: Point) -> list[str]:
    """Say which values a method refuses, and why.

    Args:
        params: the method's ``Params``.
        values: names that it does not have are left out.
    """
    known = {field.name for field in dataclasses.fields(params)}
    try:
        validator(params).validate_python({name: value for name, value in values.items() if name in known})
    except ValidationError as refused:
        return [_explain(error) for error in refused.errors()]
    except UserError as refused_by_itself:
        return [str(refused_by_itself)]
    return []


def with_settings(training: Training, settings: Sequence[str]) -> Training:
    """Return a file's training with the command line's settings over it.

    Args:
        settings: ``key=value``; a value is YAML.

    Raises:
        UserError: an unknown key, or a value that the key does not take.
    """
    fields: dict[str, Any] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or key not in Training.model_fields:
            known = ", ".join(Training.model_fields)
            raise UserError(f"--training {setting} is not understood; it takes key=value with a key of {known}")
        fields[key] = yaml.safe_load(text)
    try:
        return Training.model_validate(training.model_dump() | fields)
    except ValidationError as refused:
        problems = [yaml_file.explain(error, list(Training.model_fields)) for error in refused.errors()]
        raise UserError(f"--training cannot be used: {'; '.join(problems)}") from refused
