"""What a method's file declares, for planning: the same record as of the whole file, without torch."""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from dta_bench import plugins
from dta_bench.errors import UserError
from dta_bench.spec.declared_module import DeclaredModule
from dta_bench.spec.method_plugin import MethodPlugin, method_plugin, read
from dta_bench.spec.search_space import Point


class DeclaredMethod(MethodPlugin):
    """What a method's file declares. Its ``module`` takes from the whole file what only that has, such as ``loss``."""

    def params(self, values: Mapping[str, Any]) -> Any:
        """As :meth:`MethodPlugin.params`."""
        return validator(self.params_type).validate_python(dict(values))

    def before(self, values: Point) -> tuple[MethodPlugin, Point] | None:
        """Return the method of the first stage with all its parameters; None for a method of one stage."""
        if self.first_stage is None:
            return None
        name, changed = self.first_stage(values)
        first = declared_method(name)
        return first, first.defaults() | changed


def declared_method(name: str) -> MethodPlugin:
    """A method by its name, for planning; where torch is imported already, its file is loaded as a whole.

    A mistake in the part that is not run goes unseen: :func:`dta_bench.spec.method_plugin.method_plugin` tells it.

    Raises:
        UserError: as :func:`dta_bench.spec.method_plugin.method_plugin`.
    """
    if "torch" in sys.modules:
        return method_plugin(name)
    file = plugins.path("method", name)
    try:
        return _declared(plugins.composed(name), file, file.stat().st_mtime_ns)
    except Exception:  # the whole file may do without, or says what is wrong
        return method_plugin(name)


def trains_nothing(name: str) -> bool:
    """Whether a method trains nothing and predicts by prompts: one run stands for all its seeds.

    Of a method that is no longer there, or whose file does not run, this is taken not to be so.
    """
    try:
        return declared_method(name).by_prompts
    except UserError:
        return False


@functools.lru_cache(maxsize=256)
def validator(params: type) -> TypeAdapter[Any]:
    """What checks the values of a method's ``Params``; made once, which takes longer than to check all of them."""
    return TypeAdapter(params)


@functools.lru_cache(maxsize=256)
def _declared(name: str, file: Path, _changed: int) -> MethodPlugin:
    return read_declared(name, file)


def read_declared(name: str, file: Path) -> MethodPlugin:
    """Read the record of a method from what its file declares.

    Raises:
        Exception: a part of it cannot be had without running the whole file, or is wrong.
    """
    module = DeclaredModule(f"{plugins.PACKAGE.name}.methods.{name}", file, lambda: method_plugin(name).module)
    found = read(name, module)
    return DeclaredMethod(**{field.name: getattr(found, field.name) for field in dataclasses.fields(found)})
