"""A finished sweep says so: in its dry run, and when it is started again."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console
from stored_runs import finish
from typer.testing import CliRunner

from dta_bench.cli import app
from dta_bench.run.workspace import Workspace
from dta_bench.spec import search_space_file
from dta_bench.spec.plan import Options
from dta_bench.sweep import done_runs
from dta_bench.sweep.choose_runs import make_plan
from dta_bench.sweep.sweep import SweepResult

ASKED = "sweep fonts_digits --points 1 --seeds 1 --confirm 0 --dry-run --out mine"


def test_the_dry_run_of_a_finished_sweep_names_its_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(done_runs, "_changes", lambda *_: "")  # runs that no code of today made
    plan = make_plan("fonts_digits", search_space_file.read("fonts_digits"), Options(points=1, seeds=1, confirm=0))
    tracker = Workspace("data", "mine", f"sqlite:///{tmp_path}/mine/mlflow.db").tracker()
    tracker.check()
    tracker.experiment(plan.benchmark)
    for run in plan.runs[1:]:
        finish(tracker, run, 0.6)
    CliRunner().invoke(app, ASKED.split())
    assert "Next: the same command without --dry-run  # runs them" in capfd.readouterr().out
    finish(tracker, plan.runs[0], 0.6)
    CliRunner().invoke(app, ASKED.split())
    assert capfd.readouterr().out.splitlines()[-2:] == [
        "Nothing is left to train.",
        "Next: dta-bench report fonts_digits --out mine  # what they show together",
    ]


def test_a_run_whose_sweep_was_killed_is_to_do_in_a_dry_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(done_runs, "_changes", lambda *_: "")
    plan = make_plan("fonts_digits", search_space_file.read("fonts_digits"), Options(points=1, seeds=1, confirm=0))
    tracker = Workspace("data", "mine", f"sqlite:///{tmp_path}/mine/mlflow.db").tracker()
    tracker.check()
    tracker.experiment(plan.benchmark)
    tracker.open_run(plan.runs[0], None, "run", set(), {})
    CliRunner().invoke(app, ASKED.split())
    said = capfd.readouterr().out
    assert "(no sign of life of its command, is taken up again)" in said
    assert "2 runs: 0 done, 2 to do" in said


def test_a_sweep_that_found_all_runs_done_says_that_it_trained_nothing() -> None:
    def said(result: SweepResult) -> str:
        stream = io.StringIO()
        result.print_nothing_trained(Console(file=stream, width=200))
        return stream.getvalue()

    assert said(SweepResult(9, {}, planned=9)) == "nothing was trained: all 9 runs were done already\n"
    assert "8 of 9 runs were done already; the others are not tried again" in said(SweepResult(8, {}, planned=9))
    assert said(SweepResult(9, {}, planned=9, missing=1)) == ""
