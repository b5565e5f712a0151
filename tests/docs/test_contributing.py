"""CONTRIBUTING is true to the code: the way of a run, and the plug-ins that it walks through."""

import ast
import itertools
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from documentation import CONTRIBUTING, ROOT, WALKTHROUGHS, numbered, section, shown_files, walkthrough_commands
from typer.testing import CliRunner

from dta_bench import cli

PACKAGE = ROOT / "dta_bench"


def way() -> list[tuple[str, list[str]]]:
    """The way of one run: each file, and the files by which it is reached from the one that calls it."""
    found: list[tuple[str, list[str]]] = []
    for item in numbered(section(CONTRIBUTING, "The way of one run")):
        file = re.match(r"`([a-z_/]+\.py)`", item)
        caller = re.search(r"Called by (\d)(?:\s+through\s+`([a-z_/]+\.py)`)?", item)
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
        for caller, called in itertools.pairwise(steps):
            assert called in imported(caller), f"{caller} does not import {called}"


KINDS = {"backbone": "backbones", "benchmark": "benchmarks", "method": "methods", "search space": "search_spaces"}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with all files that the walkthroughs show, and the data of the benchmark."""
    folder = tmp_path_factory.mktemp("walkthroughs")
    for text in WALKTHROUGHS:
        for name, content in shown_files(text).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(content)
    (folder / "DATA" / "our_digits").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for domain in ("source", "target"):
        images = rng.integers(0, 256, (400, 32, 32, 3), dtype=np.uint8)
        np.savez(folder / "DATA" / "our_digits" / f"{domain}.npz", images=images, labels=np.arange(400) % 10)
    return folder


def run(line: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Result:
    """A command as a reader types it, in this process."""
    monkeypatch.chdir(folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return CliRunner().invoke(cli.app, shlex.split(line, comments=True)[1:])


@pytest.mark.parametrize(("kind", "folder"), KINDS.items())
def test_each_kind_of_plugin_has_a_walkthrough_with_a_file_a_check_and_its_tests(kind: str, folder: str) -> None:
    text = section(CONTRIBUTING, f"Add a {kind}")
    name = next(Path(name).stem for name in shown_files(text) if Path(name).parent.name == folder)
    assert f"dta-bench check {kind.replace(' ', '-')} {name}" in text
    (tests,) = re.findall(r"^Tests: `([a-z_/]+\.py)`", text, re.MULTILINE)
    assert (ROOT / tests).is_file()


def test_every_block_of_code_is_a_file_of_a_walkthrough() -> None:
    blocks = re.findall(r"^```(?:python|yaml)$", CONTRIBUTING.read_text(), re.MULTILINE)
    assert len(blocks) == sum(len(shown_files(text)) for text in WALKTHROUGHS)


def test_the_walkthroughs_import_from_the_api_alone() -> None:
    code = [content for text in WALKTHROUGHS for name, content in shown_files(text).items() if name.endswith(".py")]
    nodes = [node for text in code for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)]
    assert {node.module for node in nodes if str(node.module).startswith("dta_bench")} == {"dta_bench.api"}


@pytest.mark.parametrize("line", [line for line in walkthrough_commands() if " check " in line])
def test_every_check_of_the_walkthroughs_passes(line: str, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is skipped: the benchmark's data are there, too."""
    checked = run(line, here, monkeypatch)
    assert checked.exit_code == 0, checked.output
    assert "not looked at" not in checked.output


@pytest.mark.parametrize("line", [line for line in walkthrough_commands() if "--dry-run" in line])
def test_every_dry_run_of_the_walkthroughs_lists_runs(
    line: str, here: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    listed = run(line, here, monkeypatch)
    assert listed.exit_code == 0, listed.exception
    assert re.search(r"\d points? of ", capfd.readouterr().out)


@pytest.mark.slow
@pytest.mark.parametrize("line", [line for line in walkthrough_commands() if " train " in line])
def test_every_training_of_the_walkthroughs_trains(line: str, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = run(line, here, monkeypatch)
    assert trained.exit_code == 0, trained.exception


def test_no_command_of_the_walkthroughs_is_left_out() -> None:
    assert all(any(word in line for word in (" check ", "--dry-run", " train ")) for line in walkthrough_commands())
