"""CONTRIBUTING is true to the code: the way of a run, and the plug-ins that it walks through."""

import ast
import re
from pathlib import Path

from documentation import ROOT, numbered, section

CONTRIBUTING = ROOT / "CONTRIBUTING.md"
PACKAGE = ROOT / "dta_bench"


def way() -> list[tuple[str, list[str]]]:
    """The way of one run: each file, and the files by which it is reached from the one that calls it."""
    found: list[tuple[str, list[str]]] = []
    for item in numbered(section(CONTRIBUTING, "The way of one run")):
        file = re.match(r"`([a-z_/]+\.py)`", item)
        caller = re.search(r"Called by (\d)(?: through `([a-z_/]+\.py)`)?", item)
        assert file is not None
        by = [found[int(caller[1]) - 1][0], *([caller[2]] if caller[2] else [])] if caller else []
        found.append((file[1], by))
    return found


def imported(file: str) -> set[str]:
    """The files of the package that a file imports from, also inside functions and through a package."""
    tree = ast.parse((PACKAGE / file).read_text())
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    return {found for node in nodes for alias in node.names if (found := file_of(str(node.module), alias.name))}


def file_of(module: str, name: str) -> str | None:
    """The file that defines ``from module import name``; None if it is not of this package."""
    path = ROOT.joinpath(*module.split("."))
    if not path.is_relative_to(PACKAGE):
        return None
    if (path / f"{name}.py").is_file():
        return (path / f"{name}.py").relative_to(PACKAGE).as_posix()
    if path.with_suffix(".py").is_file():
        return path.with_suffix(".py").relative_to(PACKAGE).as_posix()
    nodes = ast.walk(ast.parse((path / "__init__.py").read_text()))
    passed_on = [n for n in nodes if isinstance(n, ast.ImportFrom) and name in [alias.name for alias in n.names]]
    return file_of(str(passed_on[0].module), name) if passed_on else None


def test_the_way_of_one_run_is_at_most_eight_files_from_the_command_line_to_mlflow() -> None:
    files = [file for file, _ in way()]
    assert len(files) <= 8
    assert (files[0], files[-1]) == ("cli/sweep.py", "tracking/run_log.py")
    assert all((PACKAGE / file).is_file() for file in files)


def test_each_file_on_the_way_of_one_run_is_imported_by_the_one_that_calls_it() -> None:
    for file, by in way()[1:]:
        steps = [*by, file]
        assert len(steps) > 1, f"{file} does not say who calls it"
        for caller, called in zip(steps, steps[1:], strict=False):
            assert called in imported(caller), f"{caller} does not import {called}"
