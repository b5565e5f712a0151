"""Fingerprint of the code that decides a run's numbers: what training and the run's plug-ins import, as syntax trees.

A fingerprint reads ``ast1:`` and 12 hex digits. Fingerprints of the scheme before it are 12 bare hex digits; see
:func:`is_of_the_move` for when they still count.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from dta_bench import plugins
from dta_bench.run import syntax_digest
from dta_bench.run.syntax_digest import WHOLE, Source
from dta_bench.spec.declared_method import declared_method
from dta_bench.spec.run_spec import RunSpec

SCHEME = "ast1"
ROOTS = ("run/train.py", "data/load.py")
"""Where following imports starts: the training of a run, and the sets it is given."""
SILENT = {
    "__init__.py": "holds the version's number",
    "errors/__init__.py": "holds exceptions, and checks that only raise them",
    "data/benchmark_plugin.py": "reads a benchmark's file, which is followed, as is what reads YAML",
    "domains/download.py": "fetches files; which files there are is in the data's fingerprint",
    "domains/data_fingerprint.py": "tells which data there are; what is read of them does not depend on it",
    "plugins.py": "finds plug-in files; the files that it finds are followed",
    "run/fingerprint.py": "describes a run after the fact",
    "run/code_fingerprint.py": "this file",
    "run/syntax_digest.py": "serves this file only",
    "spec/identity.py": "tells runs apart",
    "spec/search_space.py": "lists the values that a sweep may try; a run's own are in its spec",
    "spec/yaml_file.py": "reads a YAML file and explains mistakes in it",
}
"""Modules that are not followed, each with the reason why it cannot decide a number. One entry more or less changes the
fingerprints of all runs."""
MOVE = ("3d35bee66576", "4f4b7df749dd", "8d89021116a2", "af5336d26ae4", "2100d3ce45c8", "933d5623e1ca")
"""Commits whose code decides the same numbers as the code that introduced this scheme: the last one with flat modules,
and those of the move into folders."""
RECORD = Path(__file__).with_name("code_of_the_move.json")
"""Digest of each shipped file that could decide a number, by its path, when this scheme was introduced. Written by
``python -c "from dta_bench.run import code_fingerprint as c; c.write_record()"``."""


class Code:
    """The source files of one package, each as this process first saw it: what is edited later is not what runs.

    Args:
        package: the folder of the package.
    """

    def __init__(self, package: Path) -> None:
        self._package = package
        self._module_file = functools.cache(self._find_module)
        self._source = functools.cache(self._read)
        self._digest = functools.cache(self._with_references)
        self.fingerprint = functools.cache(self._fingerprint)

    def closure(self, files: Iterable[Path]) -> set[Path]:
        """``ROOTS``, ``files``, and every module of this package that one of these imports, also inside functions."""
        reached: set[Path] = set()
        waiting = [self._package / root for root in ROOTS] + list(files)
        while waiting:
            file = waiting.pop()
            if file in reached or self.is_silent(file):
                continue
            reached.add(file)
            waiting += self._packages_around(file)
            if file.suffix == ".py":
                waiting += [module for _, module in self._resolved(file)]
        return reached

    def digest(self, file: Path) -> str:
        """Digest of one file: its syntax tree, and what the names that it imports from this package stand for."""
        return self._digest(file)

    def is_silent(self, file: Path) -> bool:
        """Whether ``SILENT`` names the file."""
        return file.is_relative_to(self._package) and file.relative_to(self._package).as_posix() in SILENT

    def _fingerprint(self, files: frozenset[Path]) -> str:
        digests = sorted(self.digest(file) for file in self.closure(files) if not self._is_blank(file))
        return f"{SCHEME}:{hashlib.sha256(' '.join(digests).encode()).hexdigest()[:12]}"

    def _is_blank(self, file: Path) -> bool:
        """Whether a file is a docstring only, as most ``__init__.py`` are."""
        return file.suffix == ".py" and self._source(file).is_empty and not self._source(file).references

    def _with_references(self, file: Path) -> str:
        """The file's own digest with those of the modules that it takes names from; of YAML the bytes' digest.

        So a name that comes from another module than before counts as a change.
        """
        if file.suffix != ".py":
            return hashlib.sha256(file.read_bytes()).hexdigest()
        parts = [self._source(file).digest]
        for name, module in self._resolved(file):
            parts += [name, "" if self.is_silent(module) else self._source(module).digest]
        return hashlib.sha256(" ".join(parts).encode()).hexdigest()

    def _resolved(self, file: Path) -> list[tuple[str, Path]]:
        """What a file imports from this package: names, and the modules that define them."""
        return [
            definer
            for reference in self._source(file).references
            for definer in self._definers(reference.name, reference.module)
        ]

    def _definers(self, name: str, module: Path) -> list[tuple[str, Path]]:
        """Where ``module`` has ``name`` from, if it only passes names on; else the module itself."""
        if name == WHOLE or self.is_silent(module) or not self._source(module).is_empty:
            return [(name, module)]
        passed_on = [reference for reference in self._source(module).references if reference.bound == name]
        return [definer for r in passed_on for definer in self._definers(r.name, r.module)] or [(name, module)]

    def _packages_around(self, file: Path) -> list[Path]:
        """The ``__init__.py`` that Python runs before it imports a module."""
        if not file.is_relative_to(self._package):
            return []
        around = [folder / "__init__.py" for folder in file.parents if folder.is_relative_to(self._package)]
        return [init for init in around if init.is_file()]

    def _read(self, file: Path) -> Source:
        return syntax_digest.read(file.read_bytes(), file, self._module_file, self._package)

    def _find_module(self, dotted: str) -> Path | None:
        first, *parts = dotted.split(".")
        if first != self._package.name or not all(part.isidentifier() for part in parts):
            return None
        beside = self._package.joinpath(*parts)
        choices = [beside / "__init__.py", *([beside.with_suffix(".py")] if parts else [])]
        return next((file for file in choices if file.is_file()), None)


OURS = Code(plugins.PACKAGE)


def code_fingerprint(spec: RunSpec) -> str:
    """Fingerprint of the code that decides the numbers of a run."""
    return OURS.fingerprint(plugin_files(spec))


def fingerprints_of_many() -> Callable[[RunSpec], str]:
    """:func:`code_fingerprint` for many runs in a row, which looks up the plug-ins of a method once."""
    known: dict[tuple[Any, ...], str] = {}
    has_stages = functools.cache(lambda method: declared_method(method).first_stage is not None)

    def fingerprint(spec: RunSpec) -> str:
        of_stages = tuple(sorted(spec.params.items())) if has_stages(spec.method) else ()
        key = spec.benchmark, spec.backbone, spec.method, of_stages
        if key not in known:
            known[key] = code_fingerprint(spec)
        return known[key]

    return fingerprint


def plugin_files(spec: RunSpec) -> frozenset[Path]:
    """The files of a run's benchmark, backbone and method, and of the methods of its earlier stages.

    A YAML benchmark, or a suite, counts with the modules that read it; a benchmark outside this package with the
    ``_*.py`` files beside it. Networks of timm and SMP have no file of their own.
    """
    files = {*_benchmark_files(plugins.path("benchmark", spec.benchmark)), *_method_files(spec)}
    return frozenset(files if "/" in spec.backbone else files | {plugins.path("backbone", spec.backbone)})


def _benchmark_files(file: Path) -> set[Path]:
    ours = plugins.PACKAGE / "benchmarks"
    readers = ("_pair*.py", "_suite*.py") if file.parent.name == plugins.FOLDERS["suite"] else ("_pair*.py",)
    pair = {one for pattern in readers for one in ours.glob(pattern)} if file.suffix == ".yaml" else set()
    return {file} | pair | (set() if file.parent == ours else set(file.parent.glob("_*.py")))


def _method_files(spec: RunSpec) -> set[Path]:
    files, name, params = set[Path](), spec.method, dict(spec.params)
    while (file := plugins.path("method", name)) not in files:
        files.add(file)
        before = declared_method(name).before(params)
        if before is not None:
            name, params = before[0].name, before[1]
    return files


def is_old_scheme(tags: Mapping[str, str]) -> bool:
    """Whether a run's code fingerprint is of the scheme before this one (12 bare hex digits)."""
    return re.fullmatch("[0-9a-f]{12}", tags.get("code_fingerprint", "")) is not None


def is_of_the_move(tags: Mapping[str, str], spec: RunSpec) -> bool:
    """Whether a run with a fingerprint of the old scheme was made by today's code.

    So it is if a commit of ``MOVE`` made it, without local changes, and every shipped file that decides the run's
    numbers is today as ``RECORD`` has it. Plug-in files of the user's own cannot be checked, and are trusted.
    """
    return is_old_scheme(tags) and tags.get("commit") in MOVE and _is_as_recorded(plugin_files(spec))


def they_count(count: int) -> str:
    """What a sweep says of runs with a fingerprint of the old scheme that count."""
    have = f"{count} runs have" if count > 1 else "1 run has"
    return (
        f"{have} a code fingerprint of the old scheme and {'count' if count > 1 else 'counts'} as made by today's code:"
        " no shipped file that decides these numbers has changed since; plug-in files of your own are not checked"
    )


def they_start_anew(count: int) -> str:
    """What is said of unfinished runs whose checkpoint has a fingerprint of the old scheme."""
    runs = f"{count} unfinished runs start" if count > 1 else "1 unfinished run starts"
    return f"{runs} again at the first epoch: a checkpoint with a code fingerprint of the old scheme cannot be checked"


@functools.cache
def _is_as_recorded(files: frozenset[Path]) -> bool:
    recorded: dict[str, str] = json.loads(RECORD.read_text(encoding="utf-8"))
    anywhere = set(recorded.values())
    for file in OURS.closure(files):
        path = _shipped_path(file)
        if path is None or (path not in recorded and not file.is_relative_to(plugins.PACKAGE)):
            continue  # of the user's own, though it may lie in the checkout
        # A plug-in is known by its file's name; any other module may have moved since.
        if not (recorded.get(path) == OURS.digest(file) if file in files else OURS.digest(file) in anywhere):
            return False
    return True


def _shipped_path(file: Path) -> str | None:
    """Path of a shipped file below the package, or below the checkout for backbones; None for a user's own file."""
    if file.is_relative_to(plugins.PACKAGE):
        return file.relative_to(plugins.PACKAGE).as_posix()
    checkout = plugins.PACKAGE.parent
    is_shipped = (checkout / "pyproject.toml").is_file() and file.parent == checkout / plugins.FOLDERS["backbone"]
    return file.relative_to(checkout).as_posix() if is_shipped else None


def write_record() -> None:
    """Write ``RECORD`` from today's code: once, when the scheme is introduced."""
    package, kinds = plugins.PACKAGE, ("benchmark", "method", "backbone")
    folders = [folder / plugins.FOLDERS[kind] for kind in kinds for folder in (package, package.parent)]
    shipped = {file for folder in folders for suffix in ("py", "yaml") for file in folder.glob(f"*.{suffix}")}
    digests = {path: OURS.digest(file) for file in OURS.closure(shipped) if (path := _shipped_path(file)) is not None}
    RECORD.write_text(json.dumps(digests, indent=1, sort_keys=True) + "\n", encoding="utf-8")
