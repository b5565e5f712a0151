"""The name that a sweep gives its page is a name that ``report`` takes."""

from pathlib import Path

from small_runs import spec_of
from stored_runs import finish

from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.report.command import report_runs
from dta_bench.run.workspace import Workspace


def test_a_sweep_on_another_benchmark_is_reported_by_its_name_with_its_runs_alone(tmp_path: Path) -> None:
    workspace = Workspace(str(tmp_path / "data"), str(tmp_path), f"sqlite:///{tmp_path / 'mlflow.db'}")
    tracker = workspace.tracker()
    tracker.check()
    tracker.experiment(benchmark_of("fonts_digits"))
    name = "compare_digits_fonts_digits"
    parent = tracker.start_sweep("fonts_digits", name, "id", {"search_space": name})
    for method in ("dta", "mcc"):
        finish(tracker, spec_of(method), 0.6)
    (run,) = (run for run in tracker.runs("fonts_digits") if run.spec.method == "dta")
    tracker.tag(run, "mlflow.parentRunId", parent)
    found = report_runs(name, None, workspace)
    assert found.json_object()["runs"] == 1
    assert found.file == tmp_path / "reports" / name / "report.html"
