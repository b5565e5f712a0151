"""Two sweeps or two stores on the same rows."""

import dataclasses
import io
from pathlib import Path

import pytest
from rich.console import Console
from small_runs import spec_of
from stored_runs import finish

from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.errors import UserError
from dta_bench.report.compare import compare
from dta_bench.report.terminal.compare import show_compared
from dta_bench.run.workspace import Workspace


def store(out: Path, rates: dict[str, float], **params: float) -> Workspace:
    """A store with one finished run of each method."""
    out.mkdir()
    workspace = Workspace(str(out / "data"), str(out), f"sqlite:///{out / 'mlflow.db'}")
    tracker = workspace.tracker()
    tracker.check()
    tracker.experiment(benchmark_of("fonts_digits"))
    for method, rate in rates.items():
        finish(tracker, spec_of(method, **(params if method == "dta" else {})), rate)
    return workspace


def test_two_stores_share_rows_and_the_difference_is_the_second_less_the_first(tmp_path: Path) -> None:
    mine = store(tmp_path / "mine", {"dta": 0.6, "mcc": 0.5})
    store(tmp_path / "theirs", {"dta": 0.8, "shot": 0.7}, lambda_2=0.5)
    found = compare(str(tmp_path / "mine"), str(tmp_path / "theirs"), None, mine)
    rows = {row.method: row for row in found.rows}
    assert set(rows) == {"dta", "mcc", "shot"}
    assert rows["dta"].first is not None
    assert rows["dta"].second is not None
    assert rows["dta"].difference == pytest.approx(rows["dta"].second.test - rows["dta"].first.test)
    assert rows["mcc"].second is rows["shot"].first is None
    console = Console(file=io.StringIO(), width=100)
    show_compared(found, console)
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert "lambda_2" in said
    assert "not run" in said
    assert "It is not tested here" in said


def test_two_sweeps_of_one_store_are_told_apart_by_their_parent_runs(tmp_path: Path) -> None:
    workspace = store(tmp_path / "out", {})
    tracker = workspace.tracker()
    for name, rate, seed in (("start_fonts_digits", 0.5, 0), ("ablation_fonts_digits", 0.7, 1)):
        parent = tracker.start_sweep("fonts_digits", name, f"id-{name}", {"search_space": name})
        spec = spec_of("dta", seed=seed)
        finish(tracker, spec, rate)
        (run,) = (run for run in tracker.runs("fonts_digits") if run.run_id == spec.id)
        tracker.tag(run, "mlflow.parentRunId", parent)
    found = compare("start_fonts_digits", "ablation_fonts_digits", None, workspace)
    (row,) = found.rows
    assert row.difference is not None
    assert 15 < row.difference < 25


def test_a_suite_stands_for_its_pairs_that_have_runs(tmp_path: Path) -> None:
    workspace = store(tmp_path / "out", {"dta": 0.6})
    tracker = workspace.tracker()
    for pair in ("fonts-to-optdigits", "optdigits-to-fonts"):
        name = f"digits_suite.{pair}"
        tracker.experiment(benchmark_of(name))
        finish(tracker, dataclasses.replace(spec_of("dta"), benchmark=name), 0.7)
    rows = compare("digits_suite", "digits_suite", None, workspace).rows
    assert [row.benchmark for row in rows] == ["digits_suite.fonts-to-optdigits", "digits_suite.optdigits-to-fonts"]


def test_what_is_neither_a_sweep_nor_a_store_is_refused(tmp_path: Path) -> None:
    workspace = store(tmp_path / "out", {"dta": 0.6})
    with pytest.raises(UserError, match="'nonsense' is no sweep, no benchmark, no suite, and no folder with a store"):
        compare("nonsense", "fonts_digits", None, workspace)
    with pytest.raises(UserError, match="start_fonts_digits has no finished run in sqlite:"):
        compare("start_fonts_digits", "fonts_digits", None, workspace)
