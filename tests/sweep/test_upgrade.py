"""A store that commit 3d35bee made: the same sweep again retrains nothing without a word, and no seed counts twice.

``kept/store_3d35bee.tar.xz`` is what ``dta-bench sweep fonts_digits --points 1 --seeds 2 --epochs 1`` of that commit
left, without its networks, pictures and the arrays that no report by labels reads.
"""

import json
import tarfile
from pathlib import Path

import pytest
from fault_notes import Note
from real_sweeps import start, tracked

from dta_bench.cli.arguments import options_of, plan_of
from dta_bench.report.build import build_report
from dta_bench.run.code_fingerprint import code_fingerprint
from dta_bench.spec.plan import Plan
from dta_bench.sweep.done_runs import CODE, state_of
from dta_bench.tracking import Tracker, standing_runs, store_file

KEPT = Path(__file__).parent / "kept" / "store_3d35bee.tar.xz"
MEASURED = "measure_every=1"  # as the search space was when these runs were made
AGAIN = (
    "sweep", "fonts_digits", "--points", "1", "--seeds", "2", "--confirm", "0", "--epochs", "1", "--training", MEASURED,
)  # fmt: skip
BY_WHOM = "(old scheme, commit 3d35bee66576)"


@pytest.fixture
def upgraded(tmp_path: Path) -> Tracker:
    """The store, unpacked where it was not made."""
    with tarfile.open(KEPT) as archive:
        archive.extractall(tmp_path, filter="data")
    return Tracker(store_file.sqlite_uri(tmp_path / "mlflow.db"), tmp_path)


@pytest.fixture
def plan() -> Plan:
    return plan_of("fonts_digits", options_of(points=1, seeds=2, epochs=1, training=[MEASURED]))


def test_the_same_sweep_plans_the_same_runs_and_says_whose_code_made_those_that_run_again(
    upgraded: Tracker, plan: Plan
) -> None:
    stored = upgraded.runs("fonts_digits")
    assert {run.run_id for run in stored} == {run.alias for run in stored} == {run.id for run in plan.runs}
    state = state_of(plan.runs, stored, lambda run: {CODE: code_fingerprint(run)})
    again = {found.run_id: changes for found, changes in state.stale}
    assert again.keys() == {run.id for run in state.to_do}
    assert len(state.done) + len(again) == len(plan.runs) == 4
    assert all(changes.startswith("code was ") and BY_WHOM in changes for changes in again.values())


def test_its_report_has_each_seed_once_and_counts_the_old_fingerprints(upgraded: Tracker) -> None:
    report = build_report(upgraded, "fonts_digits", "labels")
    assert {row.method: row.seeds for row in report.leaderboard} == {"dta_released": 2, "source_only": 2}
    assert (report.runs, report.repeated_runs, report.old_fingerprints) == (4, 0, 4)


@pytest.mark.slow  # trains the four runs
def test_the_same_sweep_leaves_one_seed_a_run_and_then_nothing(upgraded: Tracker, tmp_path: Path, note: Note) -> None:
    old = {run.run_id: run.mlflow_run_id for run in upgraded.runs("fonts_digits")}
    for to_say in (len(old), 0):
        sweep = start(*AGAIN, "--json", cwd=tmp_path)
        stdout, stderr = sweep.communicate(timeout=540)
        assert sweep.returncode == 0, stderr
        said = [line for line in stderr.splitlines() if line.startswith("will run again: ")]
        assert len(said) == to_say
        assert all(BY_WHOM in line for line in said)
        report = json.loads(stdout)
        assert {row["method"]: row["seeds"] for row in report["leaderboard"]} == {"dta_released": 2, "source_only": 2}
        assert report["runs"] == 4
        standing, repeated = standing_runs(tracked(tmp_path))
        assert {run.run_id for run in standing} == old.keys()
        assert repeated == []
        assert not {run.mlflow_run_id for run in standing} & set(old.values())
    note(
        "an upgrade: the same sweep on a store of commit 3d35bee", "each run once; each that ran again was named first"
    )
