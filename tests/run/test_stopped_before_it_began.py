"""A run that is to stop before it begins is not in the store: nothing of it was interrupted."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from small_runs import spec_of

from dta_bench.run.execute import RunLabel, execute
from dta_bench.run.placement import StopRequest
from dta_bench.run.workspace import Workspace


def test_a_run_that_is_to_stop_before_it_begins_leaves_nothing_in_the_store(tmp_path: Path) -> None:
    resolved: Any = SimpleNamespace(spec=spec_of("mcc"))
    workspace = Workspace(str(tmp_path), str(tmp_path), f"sqlite:///{tmp_path / 'mlflow.db'}")
    outcome = execute(resolved, workspace, RunLabel(None, "mcc"), StopRequest(requested=True), lambda *_: None)
    assert outcome.status == "stopped"
    assert list(tmp_path.iterdir()) == []
