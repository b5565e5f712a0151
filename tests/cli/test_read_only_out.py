"""Commands that only read work on an --out that cannot be written; their page goes where --to says."""

import shutil
from pathlib import Path

import pytest
from command_line import refusal
from read_only_folder import read_only
from typer.testing import CliRunner

from dta_bench import cli
from dta_bench.report import kept_report


@pytest.fixture
def results(finished_store: Path, tmp_path: Path) -> Path:
    """An --out with two finished runs."""
    return shutil.copytree(finished_store, tmp_path / "results")


def run(line: str) -> None:
    """Run a command in this process; it must succeed."""
    result = CliRunner().invoke(cli.app, line.split())
    assert result.exit_code == 0, (result.output, result.exception)


def test_a_report_writes_its_page_where_to_says_and_nothing_else(results: Path, tmp_path: Path) -> None:
    before = sorted(results.rglob("*"))
    with read_only(results):
        run(f"report fonts_digits --out {results} --to {tmp_path / 'page'}")
    pages = {f"report.{ending}" for ending in ("json", "html", "md", "svg")}
    assert {path.name for path in (tmp_path / "page").iterdir()} == pages | {kept_report.FILE}
    assert sorted(results.rglob("*")) == before


def test_a_table_of_the_paper_goes_there_too(results: Path, tmp_path: Path) -> None:
    with read_only(results):
        run(f"report --paper table1 --out {results} --to {tmp_path / 'page'}")
    assert (tmp_path / "page" / "table1.html").exists()


@pytest.mark.parametrize("command", ["report fonts_digits", "report --paper table1", "figures abc", "replay a_grid"])
def test_without_it_one_sentence_names_it(results: Path, command: str) -> None:
    with read_only(results):
        assert "--to FOLDER" in refusal(f"{command} --out {results}")


def test_a_folder_for_the_page_that_cannot_be_written_is_named(results: Path) -> None:
    with read_only(results):
        said = refusal(f"report fonts_digits --out {results} --to {results / 'page'}")
    assert f"{results / 'page'} cannot be written to" in said
    assert "--to" in said


def test_a_dry_run_says_what_a_sweep_there_would_do(results: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with read_only(results):
        run(f"sweep fonts_digits --points 1 --out {results} --dry-run")
    assert "runs: 0 done, " in capfd.readouterr().out


def test_a_sweep_and_a_training_are_still_refused(results: Path) -> None:
    with read_only(results):
        for command in ("sweep", "train"):
            said = refusal(f"{command} fonts_digits --out {results}")
            assert "not a folder that can be written to" in said
