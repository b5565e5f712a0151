"""Starting files: they work as they stand, and nothing is overwritten."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dta_bench import cli, plugins
from dta_bench.check import check, new_file
from dta_bench.check.new_file import KINDS, write_starting_file
from dta_bench.cli import new as command
from dta_bench.data.suite_prepare import prepare_suite
from dta_bench.errors import UserError


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_command_line_offers_the_kinds_that_there_are() -> None:
    assert list(KINDS) == list(sys.modules[command.__module__].KINDS)
    assert {f"{kind}.txt" for kind in KINDS} == {file.name for file in new_file.TEMPLATES.iterdir()}


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_is_written_where_its_kind_is_found_and_its_commands_are_told(kind: str, here: Path) -> None:
    done = CliRunner().invoke(cli.app, ["new", kind, "mine"])
    assert done.exit_code == 0, done.output
    path = plugins.path(kind.replace("-", "_"), "mine")
    assert path.parent.parent == here
    assert str(path.relative_to(here)) in done.output
    assert f"Next: dta-bench {KINDS[kind].check.replace('NAME', 'mine')}" in done.output
    assert "NAME" not in path.read_text()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "suite"])
def test_the_unedited_file_passes_its_check(kind: str, here: Path) -> None:
    write_starting_file(kind, "mine_unedited")
    found = check(kind, "mine_unedited", here)
    assert found.fails == found.skipped == []
    assert found.holds


def test_the_unedited_suite_has_sound_data(here: Path) -> None:
    from dta_bench.cli.terminal import stderr_console

    write_starting_file("suite", "mine_unedited")
    assert not prepare_suite("mine_unedited", here, True, None, stderr_console())["problems"]


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_overwritten(kind: str) -> None:
    path = write_starting_file(kind, "mine").path
    path.write_text("mine")
    with pytest.raises(UserError, match=f"there is a {kind} named mine already, .*mine.*; nothing is overwritten"):
        write_starting_file(kind, "mine")
    assert path.read_text() == "mine"


def test_a_shipped_plug_in_is_not_hidden() -> None:
    with pytest.raises(UserError, match="there is a method named dta already"):
        write_starting_file("method", "dta")


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        ("recipe", "mine", "there is no starting file of kind 'recipe'; allowed: method, backbone, benchmark"),
        ("method", "../mine", "'../mine' is no name for a method; it takes small letters, digits and _"),
        ("method", "_mine", "'_mine' is no name for a method"),
    ],
)
def test_what_cannot_be_written_is_said(kind: str, name: str, said: str, here: Path) -> None:
    with pytest.raises(UserError, match=said):
        write_starting_file(kind, name)
    assert not list(here.iterdir())


@pytest.mark.slow  # five real trainings
@pytest.mark.parametrize("kind", KINDS)
def test_the_unedited_file_trains_one_epoch(kind: str, here: Path) -> None:
    written = write_starting_file(kind, "mine")
    for line in (written.check, written.trial):
        words = [sys.executable, "-m", "dta_bench", *shlex.split(line)[1:]]
        done = subprocess.run(words, cwd=here, capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, done.stderr
