"""The layers: the package's folders, the import contracts, and the list in CONTRIBUTING are one and the same."""

import ast
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from documentation import ROOT, numbered, section

PACKAGE = ROOT / "dta_bench"
MOST_ENTRIES = 20
NAMES = {"the sweep's sampler": "sweep.sampler"}
"""Modules that the name of a contract describes instead of spelling them."""


def contracts(kind: str) -> list[dict[str, Any]]:
    """The import contracts of one type in pyproject.toml."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return [contract for contract in settings["tool"]["importlinter"]["contracts"] if contract["type"] == kind]


def layers() -> list[set[str]]:
    """The rows of the contract of layers from the top; siblings are in one row."""
    (contract,) = contracts("layers")
    return [set(re.split(r" [|:] ", row)) for row in contract["layers"]]


ABOUT_LIBRARIES = [contract for contract in contracts("forbidden") if contract["name"].startswith("Only ")]
each_library = pytest.mark.parametrize("contract", ABOUT_LIBRARIES, ids=lambda contract: contract["name"])


def children(package: str) -> set[str]:
    """The modules and packages directly in a package, by their dotted names."""
    folder = ROOT.joinpath(*package.split("."))
    names = {path.stem for path in folder.glob("*.py")} | {path.parent.name for path in folder.glob("*/__init__.py")}
    return {f"{package}.{name}" for name in names - {"__init__", "__main__"}}


def parts(sources: set[str]) -> set[str]:
    """The whole package in parts; a package of which ``sources`` name a part is itself divided."""
    found, waiting = set(), {"dta_bench"}
    while waiting:
        divided = {part for package in waiting for part in children(package)}
        waiting = {part for part in divided if any(source.startswith(f"{part}.") for source in sources)}
        found |= divided - waiting
    return found


def knowing(contract: dict[str, Any]) -> set[str]:
    """The parts of the package that a contract's name allows to know the library."""
    stated = re.match(r"Only (.+?) knows? ", contract["name"])
    assert stated is not None
    return {f"dta_bench.{NAMES.get(words, words)}" for words in stated[1].split(" and ")}


def imports_of(package: str) -> set[str]:
    """The dotted names that the modules of a package, or one module, import anywhere."""
    path = ROOT.joinpath(*package.split("."))
    files = list(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text()))]
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}


def test_the_package_has_at_most_twenty_entries() -> None:
    entries = {path.name for path in PACKAGE.iterdir()} - {"__pycache__"}
    assert len(entries) <= MOST_ENTRIES, sorted(entries)


def test_every_folder_and_module_of_the_package_is_in_the_contract_once() -> None:
    rows = [name for row in layers() for name in row]
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    modules = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
    assert sorted(rows) == sorted(folders | modules)


def test_contributing_lists_the_layers_of_the_contract_in_ten_lines() -> None:
    """A line may hold several rows: what stands before ``>`` is above what stands behind it."""
    lines = numbered(section(Path(ROOT, "CONTRIBUTING.md"), "Layers"))
    assert len(lines) == 10
    heads = [line.split(":", 1)[0] for line in lines]
    assert [set(re.findall(r"`([a-z_]+)`", row)) for head in heads for row in head.split(" > ")] == layers()


@each_library
def test_a_contract_about_a_library_names_all_other_parts_of_the_package(contract: dict[str, Any]) -> None:
    sources = contract["source_modules"]
    assert sorted(sources) == sorted(parts({*sources, *knowing(contract)}) - knowing(contract))


@each_library
def test_who_may_know_a_library_does(contract: dict[str, Any]) -> None:
    for part in knowing(contract):
        imported = {name.partition(".")[0] for name in imports_of(part)}
        assert imported & set(contract["forbidden_modules"]), part
