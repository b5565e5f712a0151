"""Find a plug-in by its file name: the catalogue is a folder, there is nothing to register.

Every kind is looked for in the working directory first (``backbones/``, ``search_spaces/``, ``benchmarks/``,
``methods/``, ``suites/``), then inside the installed package, then beside the package in a source checkout, then among
the modules that other installed packages name in the entry point groups ``dta_bench.backbones``, ``dta_bench.methods``
and ``dta_bench.benchmarks``.
"""

from __future__ import annotations

import ast
import difflib
import functools
import importlib
import importlib.metadata
import importlib.util
import sys
import time
import traceback
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from dta_bench.errors import UserError, plugin_errors

PACKAGE = Path(__file__).parent
FOLDERS = {
    "benchmark": "benchmarks",
    "method": "methods",
    "backbone": "backbones",
    "search_space": "search_spaces",
    "method_sets": "search_spaces/methods",
    "recipe": "search_spaces/recipes",
    "suite": "suites",
}
SUFFIXES = {
    "benchmark": (".py", ".yaml"),
    "method": (".py",),
    "backbone": (".py",),
    "search_space": (".yaml",),
    "method_sets": (".yaml",),
    "recipe": (".yaml",),
    "suite": (".yaml",),
}
REQUIRED_NAMES = {
    "benchmark": ("BENCHMARK", "load"),
    "method": ("Params", "loss or Method"),
    "backbone": ("task", "build"),
}
"""What a plug-in's file has to define, by kind."""
RENAMED_IMPORTS = {
    "discriminator": "build_discriminator", "follow": "update_moving_average", "frozen": "frozen_copy",
    "gaussians": "multi_gaussian_kernel", "judged": "domain_logits", "mmd": "mmd_from_kernel", "pasted": "paste",
    "perturbed": "jitter_and_blur", "ramp": "dann_ramp", "random_state": "current_random_state",
    "redrawn": "reinitialised_copy", "replayed": "replaying_draws", "reversed_gradient": "reverse_gradient",
    "rows": "as_rows", "shapes": "activation_shapes", "squared_distances": "pairwise_squared_distances",
    "steady": "without_dropout", "class_mask": "class_mix_mask", "warmed_up": "warmed_up_decay",
}  # fmt: skip
"""Names that plug-ins of earlier versions imported, and today's."""


SETTLED = 2 * 10**9
"""Nanoseconds after which a folder's time of change tells a later change apart."""
TO = "-to-"
"""What stands between source and target in the name of a suite's pair."""


def composed(name: str) -> str:
    """A name in Unicode's composed form (NFC), in which ``é`` is one character, however its file or the user spells it.

    The names of plug-ins, which identities hold, are in this form.
    """
    return unicodedata.normalize("NFC", name)


def names(kind: str) -> list[str]:
    """Return the names of all plug-ins of a kind, sorted; files whose name starts with ``_`` are helpers.

    Args:
        kind: a key of :data:`FOLDERS`.
    """
    return sorted(_plugin_files(kind))


def path(kind: str, name: str) -> Path:
    """Return the file of a plug-in.

    Raises:
        UserError: no such plug-in; names similar ones and all that there are.
    """
    files, name = _plugin_files(kind), composed(name)
    if name in files:
        return files[name]
    if kind == "benchmark" and (suite := suite_of(name)):
        return path("suite", suite)
    suites = sorted(_plugin_files("suite")) if kind == "benchmark" else []
    close = difflib.get_close_matches(name, [*files, *suites], n=3)
    suggestion = f"; did you mean {' or '.join(close)}?" if close else ";"
    pairs = f", and pairs of the suites {', '.join(suites)}" if suites else ""
    words = kind.replace("_", " ")
    raise UserError(
        f"there is no {words} named {name!r}{suggestion} there are: {', '.join(sorted(files)) or 'none'}{pairs}"
    )


def suite_of(benchmark: str) -> str:
    """The suite that a benchmark is a pair of, by its name: ``pacs`` of ``pacs.photo-to-sketch``; empty for others."""
    suite, _, pair = composed(benchmark).rpartition(".")
    return suite if TO in pair and suite in _plugin_files("suite") else ""


def pairs_of_suite(suite: str, benchmarks: Iterable[str]) -> list[str]:
    """Return those benchmarks that are pairs of a suite."""
    return [benchmark for benchmark in benchmarks if suite_of(benchmark) == composed(suite)]


def is_benchmark(name: str) -> bool:
    """Whether a benchmark, or a pair of a suite, may have this name."""
    return composed(name) in _plugin_files("benchmark") or bool(suite_of(name))


def is_suite(name: str) -> bool:
    """Whether there is a suite of this name.

    Raises:
        UserError: a benchmark or a search space has the name too, so that it cannot be told which is meant.
    """
    name = composed(name)
    if name not in _plugin_files("suite"):
        return False
    for kind in ("benchmark", "search_space"):
        if name in _plugin_files(kind):
            raise UserError(
                f"{path('suite', name)} has the name of the {kind.replace('_', ' ')} {path(kind, name)}; a suite needs "
                "a name of its own: rename one of the two files"
            )
    return True


def summary(kind: str, name: str) -> str:
    """Return the first line of a plug-in's docstring (of a YAML file: its first comment); the file is not run."""
    text = path(kind, name).read_text(encoding="utf-8")
    if path(kind, name).suffix == ".yaml":
        return next((line.lstrip("# ").strip() for line in text.splitlines() if line.startswith("#")), "")
    try:
        docstring = ast.get_docstring(ast.parse(text))
    except SyntaxError as error:
        return f"(broken in line {error.lineno}: {error.msg})"
    return (docstring or "").partition("\n")[0]


def constant(kind: str, name: str, key: str) -> Any:
    """Return a constant that a plug-in's file sets at its top level, such as ``tasks``; the file is not run.

    None: the file does not set it, or not to a literal.
    """
    for node in ast.parse(path(kind, name).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == key for t in node.targets):
            try:
                return ast.literal_eval(node.value)
            except ValueError:
                return None
    return None


def load(kind: str, name: str) -> ModuleType:
    """Import a benchmark, method or backbone that is a Python file, once a process.

    Raises:
        UserError: no such plug-in, or its file does not run or lacks a required name; says which file, where and why.
    """
    file, name = path(kind, name), composed(name)
    try:
        module = _import_plugin(kind, name, file)
    except UserError:
        raise
    except ImportError as error:
        raise UserError(f"{file}, line {_failing_line(file, error)}: {_import_advice(file, error)}") from error
    except Exception as error:
        cure = plugin_errors.cure(error, [str(file)])
        raise UserError(f"{file}, line {_failing_line(file, error)}: {type(error).__name__}: {error}{cure}") from error
    missing = [part for part in REQUIRED_NAMES[kind] if not any(hasattr(module, name) for name in part.split(" or "))]
    if missing:
        raise UserError(
            f"{file} does not define {' and '.join(missing)}; "
            f"a {kind} has to define {' and '.join(REQUIRED_NAMES[kind])}"
        )
    return module


def explain(error: BaseException) -> str:
    """Say where a user's plug-in failed, and the cure where it is known; empty if none of their code was running."""
    named = {module for plural in FOLDERS.values() for module, _ in _entry_points(plural).values()}
    loaded = [m for name, m in list(sys.modules.items()) if name.startswith(f"{PACKAGE.name}_") or name in named]
    return plugin_errors.explain(error, [Path(str(m.__file__)) for m in loaded if getattr(m, "__file__", None)])


def _plugin_files(kind: str) -> dict[str, Path]:
    """Files by the plug-in's name; the folder that comes first wins. Unchanged folders are not read again."""
    folders = _folders(FOLDERS[kind])
    changed = tuple(map(_changed_at, folders))
    if max(changed) > time.time_ns() - SETTLED:  # a file that is written in the same tick would not be seen
        return _read_folders.__wrapped__(kind, folders, changed, tuple(sys.path))
    return _read_folders(kind, folders, changed, tuple(sys.path))


@functools.lru_cache(maxsize=64)
def _read_folders(
    kind: str, folders: tuple[Path, ...], _changed: tuple[int, ...], _path: tuple[str, ...]
) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for folder in folders:
        for file in sorted(folder.glob("*")):
            if file.suffix in SUFFIXES[kind] and not file.name.startswith("_"):
                found.setdefault(composed(file.stem), file)
    for name, (_, file) in _entry_points(FOLDERS[kind]).items():
        found.setdefault(name, file)
    return found


def _changed_at(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0


def _entry_points(plural: str) -> dict[str, tuple[str, Path]]:
    """Other packages' modules and their files, by the names that those packages give them."""
    return _read_entry_points(plural, tuple(sys.path))


@functools.cache
def _read_entry_points(plural: str, _: tuple[str, ...]) -> dict[str, tuple[str, Path]]:
    """The same, once for each ``sys.path``: it reads the metadata of every installed package (0.1 seconds)."""
    found = {}
    for entry in importlib.metadata.entry_points(group=f"{PACKAGE.name}.{plural}"):
        try:
            spec = importlib.util.find_spec(entry.module)
        except (ImportError, ValueError):  # its package is broken or half removed
            continue
        if spec is not None and spec.origin is not None:
            found[composed(entry.name)] = entry.module, Path(spec.origin)
    return found


def _folders(plural: str) -> tuple[Path, ...]:
    return _folders_of(plural, Path.cwd(), PACKAGE)


@functools.lru_cache(maxsize=256)
def _folders_of(plural: str, here: Path, package: Path) -> tuple[Path, ...]:
    """The same, worked out once: a plan of thousands of runs asks for plug-ins as often."""
    beside = [package.parent / plural] if (package.parent / "pyproject.toml").is_file() else []
    return here / plural, package / plural, *beside


def _import_plugin(kind: str, name: str, file: Path) -> ModuleType:
    if file.parent == PACKAGE / FOLDERS[kind] and (file.parent / "__init__.py").is_file():
        return importlib.import_module(f"{PACKAGE.name}.{FOLDERS[kind]}.{name}")
    module, origin = _entry_points(FOLDERS[kind]).get(name, ("", None))
    if origin == file:
        return importlib.import_module(module)
    return _import_file(f"{PACKAGE.name}_{kind}_{name}", file)


def _import_file(module_name: str, file: Path) -> ModuleType:
    known = sys.modules.get(module_name)
    if known is not None and known.__file__ == str(file):
        return known
    spec = importlib.util.spec_from_file_location(module_name, file)
    if spec is None or spec.loader is None:
        raise UserError(f"{file} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses and pickle look their module up here, so it has to be known before it runs.
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[module_name]
        raise
    return module


def _import_advice(file: Path, error: ImportError) -> str:
    """What is wrong with an import; if this package no longer has it there, what to import instead."""
    is_ours = error.name is not None and error.name.startswith(f"{PACKAGE.name}.")
    wanted = {RENAMED_IMPORTS.get(name, name) for name in _imported_names(file, error.name)} if is_ours else set()
    if not wanted:
        return f"{type(error).__name__}: {error}"
    api = _imported_names(PACKAGE / "api.py")
    there, gone = sorted(wanted & api), ", ".join(sorted(wanted - api))
    advice = [f"write: from {PACKAGE.name}.api import {', '.join(there)}"] if there else []
    advice += [f"{PACKAGE.name}.api has no {gone}; it has {', '.join(sorted(api))}"] if gone else []
    return "; ".join([f"{error.name} has moved or changed", *advice])


def _imported_names(file: Path, module: str | None = None) -> set[str]:
    """Names that a file imports from ``module``, or from any."""
    tree = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    found = [node for node in tree if isinstance(node, ast.ImportFrom) and module in (None, node.module)]
    return {alias.name for node in found for alias in node.names}


def _failing_line(file: Path, error: Exception) -> int:
    """The last line of ``file`` that was being run or parsed when it failed."""
    if isinstance(error, SyntaxError) and error.filename == str(file):
        return error.lineno or 1
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    return (lines[-1] if lines else None) or 1
