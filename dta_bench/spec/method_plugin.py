"""A method's file as one typed record: what the file must define, and what it may define."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_args

from pydantic import TypeAdapter

from dta_bench import plugins
from dta_bench.errors import UserError, within
from dta_bench.spec.run_spec import Task
from dta_bench.spec.search_space import Point

SOURCE_ONLY_EPOCHS = "source_only_epochs"
"""The parameter of every method with losses on the target: so many epochs, of the run's, train on the source alone."""

SecondView = Literal["again", "strong"]


@dataclass(frozen=True)
class MethodPlugin:
    """What a method's file defines.

    Attributes:
        module: the file itself; ``loss`` or ``Method`` are read from it by :func:`dta_bench.nn.learner.build`.
        params_type: the file's ``Params``, a frozen dataclass whose defaults are the published values.
        tasks: the tasks that the method does; both where the file does not say.
        form_of: name of the method that it is but for some defaults: it takes the rows that search spaces have for that
            method. Empty for most.
        source_alone: whether it has no loss on the target, so that it has no ``source_only_epochs`` either.
        by_name_only: whether ``all`` does not mean it, such as a variant that repeats another method on most rows.
        by_prompts: whether it trains nothing and predicts by prompts for the class names, on a backbone with a text
            tower: its run takes no step, and has no seed of its own.
        uses_target_labels: whether it trains on target labels (an upper bound, which never competes).
        second_view: how a batch's second view of a target image is made; None: there is none.
        first_stage: parameters → the method, with its changed parameters, whose finished run this one starts from.
        first_stage_share: the part of a budget that the first stage gets.
        source_odds: parameters and images a class → how likely each source image is drawn.
        floor: parameters → the least work of a step, in source-only steps.
        needs_pixels: parameters → what of the method needs images, in words, so that it cannot train above a frozen
            part; empty where nothing does.
        above_floor: what a step needs beyond its floor, in words; empty where that is little.
    """

    name: str
    module: ModuleType
    params_type: type
    tasks: tuple[Task, ...] = get_args(Task)
    form_of: str = ""
    source_alone: bool = False
    by_name_only: bool = False
    by_prompts: bool = False
    uses_target_labels: bool = False
    second_view: SecondView | None = None
    first_stage: Callable[[Point], tuple[str, Point]] | None = None
    first_stage_share: float = 0.5
    source_odds: Callable[[Any, Any], Any] | None = None
    floor: Callable[[Any], float] | None = None
    needs_pixels: Callable[[Any], str] | None = None
    above_floor: str = ""

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle only the name; another process loads the file itself."""
        return method_plugin, (self.name,)

    @property
    def file(self) -> Path:
        """The file that defines the method."""
        return Path(str(self.module.__file__))

    def defaults(self) -> Point:
        """Return every parameter with its default."""
        return dataclasses.asdict(self.params_type())

    def params(self, values: Mapping[str, Any]) -> Any:
        """Make the method's ``Params``; a whole number may stand for a float.

        Raises:
            pydantic.ValidationError: an unknown parameter, or a value of another type.
            UserError: a value that the method itself refuses.
        """
        return TypeAdapter(self.params_type).validate_python(dict(values))

    def need_of_pixels(self, values: Point) -> str:
        """What of the method, or of its first stage, needs images at these parameters; empty where nothing does."""
        own = "" if self.needs_pixels is None else self.needs_pixels(self.params(values))
        before = self.before(values)
        return own or ("" if before is None else before[0].need_of_pixels(before[1]))

    def before(self, values: Point) -> tuple[MethodPlugin, Point] | None:
        """Return the method of the first stage with all its parameters; None for a method of one stage."""
        if self.first_stage is None:
            return None
        name, changed = self.first_stage(values)
        first = method_plugin(name)
        return first, first.defaults() | changed


def method_plugin(name: str) -> MethodPlugin:
    """Load a method by its name.

    Raises:
        UserError: no such method, or its file does not run, lacks a part, or holds a value that is not allowed.
    """
    return read(name, plugins.load("method", name))


def read(name: str, module: ModuleType) -> MethodPlugin:
    """Read a method's module as a record.

    Raises:
        UserError: one of its optional names has a value that is not allowed.
    """
    optional = {field.name for field in dataclasses.fields(MethodPlugin)} - {"name", "module", "params_type"}
    values = {key: getattr(module, key) for key in optional if hasattr(module, key)}
    if wrong := [problem for key, value in values.items() if (problem := _problem(key, value))]:
        raise UserError(f"{module.__file__}: {'; '.join(sorted(wrong))}")
    without = ("source_alone", "by_prompts", "uses_target_labels", "first_stage")
    has_stage_or_no_target = any(values.get(key) for key in without)
    params = module.Params if has_stage_or_no_target else _with_source_only_epochs(module.Params)
    return MethodPlugin(name, module, params, **values)


@functools.cache
def _with_source_only_epochs(params: Any) -> Any:
    """A method's ``Params`` with ``source_only_epochs``; what is no frozen dataclass is left as it is."""
    options = vars(params).get("__dataclass_params__")
    if options is None or not options.frozen or SOURCE_ONLY_EPOCHS in params.__dataclass_fields__:
        return params

    def check(self: Any) -> None:
        if hasattr(params, "__post_init__"):
            params.__post_init__(self)
        within(self, source_only_epochs=(0, math.inf))

    added = [(SOURCE_ONLY_EPOCHS, int, dataclasses.field(default=0))]
    namespace = {"__post_init__": check, "__module__": params.__module__, "__doc__": params.__doc__}
    return dataclasses.make_dataclass(params.__name__, added, bases=(params,), namespace=namespace, frozen=True)


def _problem(key: str, value: Any) -> str:
    """Say why an optional name of a method's file cannot have ``value``; empty if it can."""
    tasks = get_args(Task)
    if key == "tasks":
        is_allowed = isinstance(value, tuple) and value and set(value) <= set(tasks)
        allowed = f"a tuple of {' and '.join(map(repr, tasks))}"
    elif key == "second_view":
        is_allowed, allowed = value is None or value in get_args(SecondView), "'again', 'strong' or None"
    elif key == "first_stage_share":
        is_allowed, allowed = isinstance(value, float) and 0 < value < 1, "a number between 0 and 1"
    elif key in ("uses_target_labels", "source_alone", "by_name_only", "by_prompts"):
        is_allowed, allowed = isinstance(value, bool), "True or False"
    elif key in ("above_floor", "form_of"):
        is_allowed, allowed = isinstance(value, str), "text"
    else:
        is_allowed, allowed = callable(value), "a function"
    return "" if is_allowed else f"{key} is {value!r}; allowed: {allowed}"
