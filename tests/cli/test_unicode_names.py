"""Names on the command line in either Unicode form mean the same plug-in, the same runs and the same folder."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
from small_runs import spec_of
from stored_runs import finish

from dta_bench.cli.arguments import options_of, plan_of, workspace_of
from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.report.command import report_runs
from dta_bench.tracking import Tracker, store_file

NFC, NFD = "caf\u00e9", "cafe\u0301"
PAIR = """# Photographs of two things.
source: studio
target: street
classes: [cat, dog]
image_size: 32
labels: 4
"""
SPACE = """# A space.
benchmark: {benchmark}
training: {{epochs: 1, optimizer: adam, learning_rate: 0.001, batch_size: 4}}
backbones: {{conv9_fc1: {{}}}}
"""


@pytest.mark.parametrize("on_disk", [NFC, NFD])
def test_a_run_has_one_identity_however_its_benchmark_is_spelled(out: Path, on_disk: str) -> None:
    (out / "benchmarks").mkdir()
    (out / "search_spaces").mkdir()
    (out / "benchmarks" / f"{on_disk}.yaml").write_text(PAIR)
    for number, name in enumerate((NFC, NFD)):
        (out / "search_spaces" / f"space{number}.yaml").write_text(SPACE.format(benchmark=name))
    options = options_of(backbone=["conv9_fc1"])
    plans = [plan_of(name, options) for name in (NFC, NFD)]
    plans += [plan_of("any_pair", options, name) for name in (NFC, NFD)]
    assert {run.benchmark for plan in plans for run in plan.runs} == {NFC}
    assert len({tuple(run.id for run in plan.runs) for plan in plans}) == 1
    ours, theirs = (plan_of(f"space{number}", options) for number in (0, 1))
    assert ours.runs == theirs.runs


def test_a_report_finds_the_runs_and_the_folder_in_either_form(out: Path, finished_store: Path) -> None:
    (out / "benchmarks").mkdir()
    (out / "benchmarks" / f"{NFD}.yaml").write_text(PAIR)
    results = Path(shutil.copytree(finished_store, out / NFD))
    tracker = Tracker(store_file.sqlite_uri(results / "mlflow.db"), results)
    tracker.experiment(benchmark_of(NFC))
    finish(tracker, dataclasses.replace(spec_of(), benchmark=NFC), 0.8)
    shown = [report_runs(name, "labels", workspace_of(out, out / NFC, None)) for name in (NFC, NFD)]
    assert [one.json_object()["runs"] for one in shown] == [1, 1]
    assert (results / "reports" / NFC / "report.json").exists()


def test_runs_that_an_earlier_version_stored_under_the_other_form_still_count(out: Path, finished_store: Path) -> None:
    results = Path(shutil.copytree(finished_store, out / "results"))
    tracker = Tracker(store_file.sqlite_uri(results / "mlflow.db"), results)
    client = tracker._client
    experiment = client.get_experiment_by_name("fonts_digits").experiment_id
    client.rename_experiment(experiment, NFD)
    for run in client.search_runs([experiment]):
        old = json.loads(run.data.tags["spec"]) | {"benchmark": NFD}
        client.set_tag(run.info.run_id, "spec", json.dumps(old))
    found = tracker.runs(NFC)
    assert [run.spec.benchmark for run in found] == [NFC, NFC]
    assert found[0].run_id == dataclasses.replace(spec_of("dta"), benchmark=NFC).id
