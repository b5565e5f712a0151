"""The sweep of a suite: all pairs as one set of runs; pairs without data are skipped and come later."""

import json
import shutil
from pathlib import Path

import pytest
from command_line import refusal
from drawn_suites import write_domains, write_suite
from real_sweeps import run_json

from dta_bench.cli.arguments import options_of
from dta_bench.errors import UserError
from dta_bench.spec.run_spec import RunSpec
from dta_bench.sweep.run_queue import JointQueue, PlannedQueue, RunEnd, point_key
from dta_bench.sweep.suite import SuitePlan, plan_suite

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


def test_a_pattern_chooses_pairs(here: Path) -> None:
    assert list(plan(here, "ink->*").plans) == ["ink -> photo"]


def test_a_suite_of_which_no_pair_has_data_is_refused_with_where_they_belong(here: Path) -> None:
    shutil.rmtree(here / "data/zoo/ink")
    with pytest.raises(UserError, match=r"no pair of zoo has its data: .*ink is missing; see dta-bench prepare zoo"):
        plan(here)


@pytest.mark.usefixtures("here")
def test_pairs_of_what_is_no_suite_would_have_no_effect() -> None:
    assert "--pairs would have no effect on digits, which is no suite" in refusal("sweep digits --pairs a->b --dry-run")


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
@pytest.mark.timeout(1800)
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
