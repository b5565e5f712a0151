"""A sweep ends with its report, whatever its runs are called."""

import json
from pathlib import Path

import pytest
from stored_runs import finish
from typer.testing import CliRunner

from dta_bench.cli import app
from dta_bench.run.workspace import Workspace
from dta_bench.spec.plan import Plan
from dta_bench.sweep import sweep as sweeps

RECIPE = """method: dann
benchmark: fonts_digits
backbone: conv3_fc2
training: {epochs: 1, optimizer: sgd, learning_rate: 0.1, batch_size: 16}
printed: {value: 60, metric: accuracy, epoch_chosen_by: source validation}
source: a paper, Table 1
"""


def store_all(plan: Plan, workspace: Workspace, *_: object) -> sweeps.SweepResult:
    """In place of a sweep: each run is finished at once."""
    tracker = workspace.tracker()
    tracker.check()
    tracker.experiment(plan.benchmark)
    for run in plan.runs:
        finish(tracker, run, 0.6)
    return sweeps.SweepResult(done=len(plan.runs), failed={})


@pytest.mark.parametrize(
    ("arguments", "folder"),
    [
        (["fonts_digits", "--method", "dann", "--recipe", "published"], "dann_fonts_digits_mine"),
        (["start_digits", "--benchmark", "fonts_digits", "--points", "1"], "start_digits_fonts_digits"),
    ],
)
def test_a_sweep_of_a_recipe_or_on_another_benchmark_prints_its_report(
    arguments: list[str], folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "search_spaces" / "recipes").mkdir(parents=True)
    (tmp_path / "search_spaces" / "recipes" / "dann_fonts_digits_mine.yaml").write_text(RECIPE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sweeps, "sweep", store_all)
    result = CliRunner().invoke(app, ["sweep", *arguments, "--seeds", "1", "--confirm", "0"])
    assert result.exit_code == 0, result.exception
    kept = json.loads((tmp_path / "reports" / folder / "report.json").read_text())
    assert (kept["benchmark"], kept["runs"]) == ("fonts_digits", 2)
