"""An unchanged report is read back as it was, and made again once its runs, its files or the code have changed."""

import io
import shutil
from pathlib import Path

import pytest
from rich.console import Console
from small_runs import spec_of

from dta_bench.cli.arguments import workspace_of
from dta_bench.report import build, command, kept_report
from dta_bench.report.command import FinishedReport
from dta_bench.run.workspace import Workspace


@pytest.fixture
def workspace(finished_store: Path, tmp_path: Path) -> Workspace:
    """Two finished runs, and nothing else."""
    shutil.copytree(finished_store, tmp_path / "runs")
    return workspace_of(tmp_path / "data", tmp_path / "runs", None)


def report(workspace: Workspace) -> FinishedReport:
    return command.report_runs("fonts_digits", None, workspace)


def shown(finished: FinishedReport) -> str:
    screen = io.StringIO()
    finished.show(Console(file=screen, width=120))
    return screen.getvalue()


def test_what_is_read_back_is_what_was_made(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    made = report(workspace)
    monkeypatch.setattr(build, "build_report", lambda *_: pytest.fail("it was made again"))
    read = report(workspace)
    assert read.document == made.document
    assert (read.text("html"), read.text("markdown"), shown(read)) == (
        made.text("html"),
        made.text("markdown"),
        shown(made),
    )


def test_a_change_of_a_run_of_a_file_or_of_the_code_makes_it_again(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = list[str]()
    make = build.build_report
    monkeypatch.setattr(build, "build_report", lambda *given: made.append("made") or make(*given))
    report(workspace)
    workspace.tracker().open_run(spec_of("mcd"), None, "another", set(), {})
    report(workspace)
    assert len(made) == 2
    page = Path(workspace.out) / "reports/fonts_digits/report.html"
    page.write_text("edited")
    assert report(workspace).file.read_text() != "edited"
    assert len(made) == 3
    monkeypatch.setattr(kept_report, "digest_of_code", lambda _: "other code")
    report(workspace)
    assert len(made) == 4
    report(workspace)
    assert len(made) == 4
