"""The sweep of a suite: all pairs as one set of runs; pairs without data are skipped and come later."""

import dataclasses
import io
import json
import shutil
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace

import pytest
from command_line import refusal
from drawn_suites import write_domains, write_suite
from real_sweeps import run_json, start, wait_until
from rich.console import Console

from dta_bench.cli.arguments import options_of
from dta_bench.cli.sweep_suite import print_suite_plan
from dta_bench.errors import UserError
from dta_bench.run.source_training import FOLDER, TAG
from dta_bench.run.workspace import Workspace
from dta_bench.spec import plan_notes
from dta_bench.spec.run_spec import RunSpec
from dta_bench.sweep import done_runs
from dta_bench.sweep.print_state import print_notes
from dta_bench.sweep.run_queue import JointQueue, PlannedQueue, RunEnd, point_key
from dta_bench.sweep.suite import SuitePlan, plan_suite, remove_kept_networks
from dta_bench.tracking import TrackedRun

SMALL = {"image_size": 28}
OPTIONS = {"backbone": ["conv3_fc2"], "training": ["batch_size=4"], "epochs": 1, "points": 1, "seeds": 1, "confirm": 0}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_suite(tmp_path, **SMALL)
    write_domains(tmp_path / "data/zoo", {"photo": ["cat", "dog"]}, count=30)
    write_domains(tmp_path / "data/zoo", {"ink": ["cat", "dog"]}, count=10)
    return tmp_path


def plan(here: Path, *patterns: str) -> SuitePlan:
    return plan_suite("zoo", options_of(**OPTIONS), patterns, here / "data")  # type: ignore[arg-type]


def test_the_pairs_with_data_are_planned_the_longest_first_and_the_others_are_skipped_with_the_reason(
    here: Path,
) -> None:
    found = plan(here)
    assert list(found.plans) == ["photo -> ink", "ink -> photo"]
    assert set(found.skipped) == {"photo -> clay", "ink -> clay", "clay -> photo", "clay -> ink"}
    assert set(found.skipped.values()) == {f"{here}/data/zoo/clay is missing"}
    specs = [run for one in found.plans.values() for run in one.runs]
    assert {spec.benchmark for spec in specs} == {"zoo.photo-to-ink", "zoo.ink-to-photo"}
    assert {spec.label_subset.size for spec in specs} == {3, 10}


def test_pairs_that_lack_the_same_folder_are_told_in_one_line(here: Path) -> None:
    said = plan(here).describe_skipped()
    assert said == [
        f"skipped: photo -> clay, ink -> clay, clay -> photo, clay -> ink ({here}/data/zoo/clay is missing)"
    ]


def test_a_note_that_several_pairs_share_is_printed_once_with_their_number() -> None:
    said = Console(file=io.StringIO(), width=200)
    print_notes(["CAdD flips none", "CAdD flips none", "of one pair alone"], said)
    assert said.file.getvalue() == "note on 2 pairs: CAdD flips none\nnote: of one pair alone\n"  # type: ignore[attr-defined]


def test_a_pattern_chooses_pairs(here: Path) -> None:
    assert list(plan(here, "ink->*").plans) == ["ink -> photo"]


def test_a_suite_of_which_no_pair_has_data_is_refused_with_where_they_belong(here: Path) -> None:
    shutil.rmtree(here / "data/zoo/ink")
    with pytest.raises(UserError, match=r"no pair of zoo has its data: .*ink is missing; see dta-bench prepare zoo"):
        plan(here)


@pytest.mark.parametrize("as_json", [False, True])
def test_a_dry_run_prints_the_plans_notes_once_and_of_each_pair_what_is_stacked_and_of_other_code(
    here: Path, monkeypatch: pytest.MonkeyPatch, as_json: bool
) -> None:
    options = options_of(**OPTIONS | {"method": ["dta_released"], "points": 4})  # type: ignore[arg-type]
    found = plan_suite("zoo", options, (), here / "data")
    (notes,) = {tuple(plan_notes.notes(one)) for one in found.plans.values()}
    assert notes
    state_of = done_runs.state_of
    stale = ((SimpleNamespace(), "code_fingerprint"),)
    monkeypatch.setattr(done_runs, "state_of", lambda *given: dataclasses.replace(state_of(*given), stale=stale))
    workspace = Workspace(str(here / "data"), str(here), f"sqlite:///{here}/mlflow.db")
    printed = io.StringIO()
    print_suite_plan(found, workspace, as_json, printed, None, None, stacked=True)
    if as_json:
        rows = list(json.loads(printed.getvalue())["pairs"].values())
        assert [(tuple(row["notes"]), row["of_other_code"]) for row in rows] == [(notes, 1)] * 2
        assert all("stacked: no run" in row["stacked"] for row in rows)
    else:
        said = printed.getvalue().splitlines()
        assert sum("stacked: no run" in line for line in said) == 2
        assert {f"note on 2 pairs: {note}" for note in notes} <= set(said)
        assert "2 of these runs were made by other code; they will run again" in said


@pytest.mark.usefixtures("here")
def test_pairs_of_what_is_no_suite_would_have_no_effect() -> None:
    assert "--pairs would have no effect on digits, which is no suite" in refusal("sweep digits --pairs a->b --dry-run")


@pytest.mark.parametrize(("pairs", "stays"), [("all", True), (["photo -> ink"], False)])
def test_networks_on_a_source_go_when_all_its_pairs_are_swept_and_else_it_is_told_that_they_stay(
    here: Path, monkeypatch: pytest.MonkeyPatch, pairs: object, stays: bool
) -> None:
    write_suite(here, **SMALL, pairs=pairs)
    key, other = "0123456789abcdef", here / "runs/of_the_user"
    network = here / "runs" / FOLDER / key / "epoch-0001.pt"
    for folder in (network.parent, other):
        folder.mkdir(parents=True)
    network.write_bytes(b"weights")
    tags = [{TAG: key}, {}, {TAG: "../of_the_user"}, {TAG: str(other)}]  # others may write to a store
    store = SimpleNamespace(runs=lambda _: [SimpleNamespace(tags=one) for one in tags])
    monkeypatch.setattr(Workspace, "tracker", lambda _: store)
    said = Console(file=io.StringIO(), width=300)
    remove_kept_networks(plan(here), Workspace("", str(here), ""), said)
    assert network.exists() == stays
    assert other.exists()
    told = said.file.getvalue()  # type: ignore[attr-defined]
    assert ("stay in runs/source" in told) == stays
    assert "clay" not in told  # nothing was trained on a domain that is missing


def test_several_queues_are_one_and_each_learns_of_its_own_runs(here: Path) -> None:
    plans = plan(here).plans
    queues = {one.file.benchmark: PlannedQueue(one.runs) for one in plans.values()}
    joint, given = JointQueue(queues), list[RunSpec]()
    while (runs := joint.next_runs()) is not None:
        given += runs
        joint.record(runs[0], RunEnd("done"))
    assert [run.id for run in given] == [run.id for one in plans.values() for run in one.runs]
    assert len({point_key(run) for run in given}) == len(given)


@pytest.mark.slow  # sweeps of 4 and 12 runs
@pytest.mark.timeout(3600)
def test_all_pairs_are_swept_at_once_and_a_folder_that_appears_adds_its_pairs_and_repeats_nothing(here: Path) -> None:
    command = (
        "sweep", "zoo", "--backbone", "conv3_fc2", "--epochs", "1", "--points", "1", "--seeds", "1", "--confirm", "0",
        "--training", "batch_size=4",
    )  # fmt: skip
    dry = run_json(*command, "--dry-run", cwd=here)
    assert (dry["total"]["runs"], dry["total"]["to_do"], len(dry["skipped"])) == (4, 4, 4)
    assert all(row["estimate"]["gpu_hours"] > 0 for row in dry["pairs"].values())
    first = run_json(*command, cwd=here)
    assert set(first["pairs"]) == {"photo -> ink", "ink -> photo"}
    assert set(first["skipped"]) == set(dry["skipped"])
    assert first["average_over"] == ["photo -> ink", "ink -> photo"]

    write_domains(here / "data/zoo", {"clay": ["cat", "dog"]})
    assert run_json(*command, "--dry-run", cwd=here)["total"]["to_do"] == 8
    second = run_json(*command, cwd=here)
    assert (len(second["pairs"]), second["skipped"]) == (6, {})
    for key, pair in first["pairs"].items():
        assert second["pairs"][key] == pair
    found = run_json("report", "zoo", cwd=here)
    assert found["average"] == second["average"]
    assert (here / "reports/zoo/pairs/zoo.photo-to-ink/report.html").exists()
    assert json.loads((here / "reports/zoo/report.json").read_text()) == found


def runs_of(folder: Path, pairs: Iterable[str]) -> dict[str, list[TrackedRun]]:
    """Identity → its runs in the store, of all pairs that have any."""
    tracker = Workspace(str(folder), str(folder), f"sqlite:///{folder / 'mlflow.db'}").tracker()
    found: dict[str, list[TrackedRun]] = {}
    for run in (run for pair in pairs for run in tracker.runs(f"zoo.{pair}")):
        found.setdefault(run.run_id, []).append(run)
    return found


@pytest.mark.slow  # two starts of a sweep of 12 runs
@pytest.mark.timeout(3600)
def test_a_sweep_of_a_suite_killed_in_the_middle_goes_on_and_repeats_nothing(here: Path) -> None:
    """Its store says so: one run an identity, those that were done untouched, one loss an epoch; so do its networks."""
    command = (
        "sweep", "zoo", "--backbone", "conv3_fc2", "--methods", "source_only,dann,shot", "--epochs", "2", "--points",
        "1", "--seeds", "1", "--confirm", "1", "--training", "batch_size=4", "--parallel", "1",
    )  # fmt: skip
    pairs = ("photo-to-ink", "ink-to-photo")

    def done() -> dict[str, str]:
        return {
            run_id: runs[-1].mlflow_run_id for run_id, runs in runs_of(here, pairs).items()
            if runs[-1].status == "FINISHED"
        }  # fmt: skip

    driver = start(*command, cwd=here)
    wait_until(lambda: any((here / "runs").glob("*.pt")))  # the store is made
    wait_until(lambda: len(done()) >= 2)
    driver.kill()  # SIGKILL
    driver.communicate(timeout=120)
    before = done()
    assert len(before) < 12

    found = run_json(*command, cwd=here)
    after = runs_of(here, pairs)
    assert all(len(runs) == 1 for runs in after.values())
    assert len(after) == 2 * 3 * 2
    assert before.items() <= done().items()
    assert len(done()) == len(after)
    assert {cell["seeds"] for pair in found["pairs"].values() for cell in pair["methods"].values()} == {1}
    with sqlite3.connect(here / "mlflow.db") as store:
        # the epoch in which the kill came may be logged twice, with the same numbers
        counts = "COUNT(DISTINCT step), COUNT(DISTINCT step || ':' || value)"
        query = f"SELECT {counts} FROM metrics WHERE key = 'loss/total' GROUP BY run_uuid"
        assert set(store.execute(query)) == {(2, 2)}
    assert run_json(*command, "--dry-run", cwd=here)["total"]["to_do"] == 0
    stays = {run.tags[TAG] for (run,) in after.values() if TAG in run.tags}  # clay is to come for both sources
    assert {one.name for one in (here / "runs/source").iterdir()} == stays
