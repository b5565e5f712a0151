"""The documentation: its links lead somewhere, its commands are commands, its reference is today's."""

import pkgutil
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import program
from documentation import PAGES, ROOT, WALKTHROUGHS, commands, shown_files, walkthrough_commands
from typer.core import TyperGroup
from typer.testing import CliRunner

import dta_bench
from dta_bench import cli
from dta_bench.cli.profile import FormsGroup

PACKAGE = ROOT / "dta_bench"
LOOKED_UP = ("dta_bench", "tests", "backbones", "search_spaces", "cluster", "docs")
MADE_BY_READERS = {
    "search_spaces/recipes/mcc_digits_tiny.yaml",
    "docs/api.md",
    "benchmarks/pets.yaml",
    "search_spaces/methods/mine.yaml",
    *(name for text in WALKTHROUGHS for name in shown_files(text)),
}


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_to_a_file_and_a_heading_that_are_there(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        name, _, anchor = target.partition("#")
        there = (page.parent / name).resolve() if name else page
        assert there.exists(), target
        if anchor:
            assert anchor in anchors(there), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_path_and_test_that_a_page_names_is_there(page: Path) -> None:
    """Paths start at the checkout or at the package; what a reader makes is left out."""
    text, folders = (
        page.read_text(),
        "|".join([*LOOKED_UP, *(path.name for path in PACKAGE.iterdir() if path.is_dir())]),
    )
    paths = set(re.findall(rf"`((?:{folders})/[\w./]+)`", text)) - MADE_BY_READERS
    assert [path for path in paths if not (ROOT / path).exists() and not (PACKAGE / path).exists()] == []
    assert set(re.findall(r"`(test_\w+)`", text)) <= {file.stem for file in (ROOT / "tests").rglob("test_*.py")}


def test_the_pages_name_each_other() -> None:
    index = (ROOT / "docs" / "README.md").read_text()
    assert all(f"({page.name})" in index for page in PAGES if page.parent == ROOT / "docs" and page.name != "README.md")


@pytest.mark.parametrize("line", commands())
def test_every_command_is_one_that_the_program_takes(line: str) -> None:
    """Parsed by the program itself, with every option and its type; nothing is run."""
    _, name, *arguments = shlex.split(line)
    command = program()[name]
    if isinstance(command, FormsGroup):
        form, *arguments = command.with_form(arguments)
        command = command.commands[form]
    elif isinstance(command, TyperGroup):
        form, *arguments = arguments
        command = command.commands[form]
    with command.make_context(name, arguments) as context:
        assert context.params


@pytest.mark.parametrize(
    "line",
    [
        line
        for line in commands()
        if ("--dry-run" in line or line.split()[1:] == ["list"]) and line not in walkthrough_commands()
    ],
)
def test_what_needs_nothing_is_run_as_it_stands(line: str, out: Path) -> None:
    result = CliRunner().invoke(
        cli.app, [*shlex.split(line)[1:], *(["--out", str(out)] if "--dry-run" in line else [])]
    )
    assert result.exit_code == 0, result.exception


def test_every_command_of_the_program_is_in_the_documentation() -> None:
    assert set(program()) <= {line.split()[1] for line in commands()}


def test_the_reference_names_every_module_that_says_what_it_is() -> None:
    made = subprocess.run([sys.executable, ROOT / "docs" / "api.py"], capture_output=True, text=True, check=True).stdout
    heads = set(re.findall(r"^## (.+)$", made, re.MULTILINE))
    there = {m.name for m in pkgutil.walk_packages(dta_bench.__path__, "dta_bench.") if "._" not in m.name}
    assert there - {"dta_bench.__main__"} <= heads | {"dta_bench.__main__"}
    assert "* `crossed_model(evidences, compared, others)`: The model of several methods" in made
