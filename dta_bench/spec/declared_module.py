"""A Python file of which only the statements behind the names that are asked for are run.

Planning asks a method's file for ``Params``, for its tasks and for its floor. The rest of the file imports torch, which
takes seconds. A name whose statements need such a library is taken from the whole file instead.
"""

from __future__ import annotations
import __future__

import ast
import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from dta_bench import plugins

IN_PARTS = ("api", "methods", "nn")
"""The folders and modules of this package that import torch; of these, too, only what is asked for is run."""
PREFIX = "declared."
"""What a module is known under beside its own name; the last part of its name is that of the whole file."""
LIGHT = ("numpy",)
"""Libraries that are imported as they are, beside Python's own."""


TRAINS = ("loss", "Method")
"""What trains is always that of the whole file."""


class NeedsWholeFileError(Exception):
    """What is asked for cannot be had from single statements."""


class DeclaredModule(ModuleType):
    """The module of a file, of which a name's statements are run when the name is asked for.

    Args:
        name: of the module that the whole file is.
        file: the Python file.
        load: imports the whole file.

    Raises:
        NeedsWholeFileError: at its top level the file does more than to define names, each once.
        SyntaxError: it is no Python.
    """

    def __init__(self, name: str, file: Path, load: Callable[[], ModuleType]) -> None:
        super().__init__(f"{PREFIX}{name}")
        tree = ast.parse(file.read_bytes())
        _drop_annotations(tree)
        self.__file__ = str(file)
        self._load_whole_file = load
        self._statements = dict(_bound_names(tree))
        self._compiler_flags = _future_flags(tree)
        sys.modules[self.__name__] = self  # where dataclasses and pydantic look up what an annotation means

    def __getattr__(self, name: str) -> Any:
        statement = self.__dict__.get("_statements", {}).get(name)
        if statement is None:
            raise AttributeError(f"{self.__name__} has no {name}")
        if name in TRAINS:
            return getattr(self._load_whole_file(), name)
        try:
            self._run(name)
        except Exception:  # the whole file may do without, or says what is wrong
            if not isinstance(statement, ast.FunctionDef):
                return getattr(self._load_whole_file(), name)
            self.__dict__[name] = self._function_of_whole_file(name)
        return self.__dict__[name]

    def _function_of_whole_file(self, name: str) -> Callable[..., Any]:
        def function(*arguments: Any, **keywords: Any) -> Any:
            return getattr(self._load_whole_file(), name)(*arguments, **keywords)

        return function

    def _run(self, name: str) -> None:
        """Run what a name needs, in the order of the file."""
        needed = self._needed(name)
        for bound in (known for known in self._statements if known in needed and known not in self.__dict__):
            statement = self._statements[bound]
            if isinstance(statement, ast.Import | ast.ImportFrom):
                self.__dict__[bound] = _imported(statement, bound)
            else:
                code = compile(ast.Module([statement], []), str(self.__file__), "exec", self._compiler_flags, True)
                exec(code, self.__dict__)

    def _needed(self, name: str) -> set[str]:
        """The name, and those that its statement mentions, as far as the file defines them."""
        needed, waiting = set[str](), [name]
        while waiting:
            found = waiting.pop()
            if found not in needed:
                needed.add(found)
                waiting += [other for other in _mentioned(self._statements[found]) if other in self._statements]
        return needed


def _bound_names(tree: ast.Module) -> Iterator[tuple[str, ast.stmt]]:
    """Names that a file defines at its top level, each with its statement."""
    found = set[str]()
    for statement in tree.body:
        for name in _names_of(statement):
            if name in found:
                raise NeedsWholeFileError(f"{name} is defined twice")
            found.add(name)
            yield name, statement


def _names_of(statement: ast.stmt) -> list[str]:
    match statement:
        case ast.ImportFrom(module="__future__") | ast.Pass() | ast.Expr(value=ast.Constant()):
            return []
        case ast.If(test=ast.Name(id="TYPE_CHECKING"), orelse=[]):
            return []
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases) if all(a.name != "*" for a in aliases):
            return [alias.asname or alias.name.partition(".")[0] for alias in aliases]
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
            return [name]
        case ast.Assign(targets=[target]):
            names = target.elts if isinstance(target, ast.Tuple) else [target]
            if all(isinstance(each, ast.Name) for each in names):
                return [each.id for each in names if isinstance(each, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name), value=value) if value is not None:
            return [name]
    raise NeedsWholeFileError(f"line {statement.lineno} does more than to define a name")


def _mentioned(statement: ast.stmt) -> set[str]:
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return set()
    return {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}


def _drop_annotations(tree: ast.Module) -> None:
    """Drop the annotations of functions and of the file's own names, on which nothing depends; classes keep theirs."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    for function in functions:
        function.returns = None
    for node in [*tree.body, *(inner for function in functions for inner in ast.walk(function))]:
        if isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.AnnAssign):
            node.annotation = ast.copy_location(ast.Constant(None), node.annotation)


def _future_flags(tree: ast.Module) -> int:
    futures = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    names = [alias.name for node in futures for alias in node.names]
    return sum(getattr(__future__, name).compiler_flag for name in names)


def _imported(statement: ast.Import | ast.ImportFrom, bound: str) -> Any:
    """What an import binds a name to."""
    (alias,) = [a for a in statement.names if (a.asname or a.name.partition(".")[0]) == bound]
    if isinstance(statement, ast.Import):
        if "." in alias.name:
            raise NeedsWholeFileError(f"import {alias.name}")
        return _module(alias.name)
    if statement.level or statement.module is None:
        raise NeedsWholeFileError("a relative import")
    try:
        return getattr(_module(statement.module), alias.name)
    except AttributeError:
        return _module(f"{statement.module}.{alias.name}")


def _module(name: str) -> ModuleType:
    """A module: as it is where that is cheap, else as one of which only what is asked for is run.

    Raises:
        NeedsWholeFileError: it is of a library that planning does not import.
    """
    if name in sys.modules:
        return sys.modules[name]
    first, *further = name.split(".")
    if first != plugins.PACKAGE.name:
        if first not in sys.stdlib_module_names and first not in LIGHT:
            raise NeedsWholeFileError(f"it imports {first}")
        return importlib.import_module(name)
    if not further or further[0] not in IN_PARTS:
        return importlib.import_module(name)
    beside = plugins.PACKAGE.joinpath(*further)
    file = beside / "__init__.py" if beside.is_dir() else beside.with_suffix(".py")
    known = sys.modules.get(f"{PREFIX}{name}")
    return known or DeclaredModule(name, file, lambda: importlib.import_module(name))
