"""What only plans, checks or reports imports neither torch nor MLflow, once the counts that it needs are kept."""

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dta_bench import plugins
from dta_bench.cli.arguments import options_of, plan_of, workspace_of
from dta_bench.cli.sweep_plan import print_plan
from dta_bench.report import command, kept_report

STATISTICS = ("scipy", "networkx", "sklearn", "pandas")
HEAVY = ("torch", "mlflow", "optuna", "albumentations", "ray", "sqlalchemy", "open_clip", "transformers")
LIGHT = f"""
import json, sys
from dta_bench.cli import app
app(sys.argv[1:], standalone_mode=False)
print(json.dumps(sorted(sys.modules.keys() & set({(*HEAVY, *STATISTICS)!r}))), file=sys.stderr)
"""


def imported_by(*command: str) -> tuple[str, list[str]]:
    """What a command prints in a process of its own, and which heavy libraries it has imported."""
    environment = os.environ | {"PYTHONPATH": str(plugins.PACKAGE.parent)}
    done = subprocess.run([sys.executable, "-c", LIGHT, *command], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(done.stderr.splitlines()[-1])


def test_a_dry_run_plans_and_estimates_without_torch_and_mlflow(out: Path, finished_store: Path) -> None:
    """Also where the store has runs. The counts that it needs are kept by the call before."""
    shutil.copytree(finished_store, out / "runs")
    plan = plan_of("fonts_digits", options_of(backbone=["conv3_tiny"]), root=Path("data"))
    printed = io.StringIO()
    print_plan(
        plan,
        workspace_of(Path("data"), Path("runs"), None, reads_only=True, keep_networks="chosen"),
        False,
        printed,
        None,
        None,
    )
    dry_run = ["sweep", "fonts_digits", "--backbone", "conv3_tiny", "--root", "data", "--dry-run"]
    assert imported_by(*dry_run) == (printed.getvalue(), [])


@pytest.mark.usefixtures("out")
def test_a_cluster_file_is_checked_without_torch() -> None:
    file = plugins.PACKAGE.parent / "cluster.yaml"
    printed, imported = imported_by("check", "cluster", str(file))
    assert "Ray's own schema accepts it" in printed
    assert set(imported) <= {"ray"}


@pytest.mark.usefixtures("out")
def test_completion_of_a_name_imports_nothing_heavy() -> None:
    code = f"""
import json, sys
from dta_bench.cli import app
from dta_bench.cli.completion import complete
assert "dta" in complete("method")("dt")
print(json.dumps(sorted(sys.modules.keys() & set({(*HEAVY, "numpy", "pydantic", "scipy")!r}))))
"""
    environment = os.environ | {"PYTHONPATH": str(plugins.PACKAGE.parent)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert json.loads(done.stdout) == []


def test_a_report_is_made_without_torch_and_mlflow_and_shown_again_without_statistics(
    out: Path, finished_store: Path
) -> None:
    """What is chosen is marked in the store all the same. FLOPs that its runs have not noted are counted before."""
    shutil.copytree(finished_store, out / "runs")
    workspace = workspace_of(Path("data"), Path("runs"), None)
    folder, tracker = command.report_runs("fonts_digits", None, workspace).file.parent, workspace.tracker()
    (folder / kept_report.FILE).unlink()
    tracker.mark_chosen(tracker.runs("fonts_digits"), "labels", [])
    report = ["report", "fonts_digits", "--out", "runs"]
    printed, imported = imported_by(*report)
    assert set(imported) <= {"scipy"}
    assert any("chosen_by_labels" in run.tags for run in tracker.runs("fonts_digits"))
    assert imported_by(*report) == (printed, [])
