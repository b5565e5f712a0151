"""A run whose plug-in fails is closed as failed, with the line of the plug-in as its reason."""

from pathlib import Path

import pytest
from small_runs import spec_of

from dta_bench import plugins
from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.run import execute, train
from dta_bench.run.execute import RunLabel
from dta_bench.run.placement import StopRequest
from dta_bench.run.resolve import resolve
from dta_bench.run.workspace import Workspace

BROKEN = '''"""It breaks."""

task = "classification"
channels = 3


def build(num_classes, weights="none"):
    return weigths
'''


def test_a_run_whose_plug_in_fails_is_closed_with_the_line_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "backbones").mkdir()
    (tmp_path / "backbones" / "breaks.py").write_text(BROKEN)
    monkeypatch.chdir(tmp_path)
    workspace = Workspace(str(tmp_path), str(tmp_path), f"sqlite:///{tmp_path / 'mlflow.db'}")
    tracker = workspace.tracker()
    tracker.check()
    tracker.experiment(benchmark_of("fonts_digits"))
    monkeypatch.setattr(train, "train_first_stage", lambda *_: plugins.load("backbone", "breaks").build(3))
    outcome = execute.execute(
        resolve(spec_of(), workspace.root), workspace, RunLabel(None, "a run"), StopRequest(), lambda *_: None
    )
    said = f"{tmp_path / 'backbones' / 'breaks.py'}, line 8: NameError: name 'weigths' is not defined"
    assert outcome.status == "failed"
    assert outcome.reason == f"{said}; did you mean weights?"
    (stored,) = tracker.runs("fonts_digits")
    assert (stored.status, stored.tags["reason"]) == ("FAILED", outcome.reason)
