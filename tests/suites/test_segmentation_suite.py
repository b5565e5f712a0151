"""A suite of label maps takes the way of any other: streets in three renderings, with a mask for each image."""

from pathlib import Path

import pytest
from drawn_suites import write_street_suite, write_streets
from real_sweeps import run_json

from dta_bench.cli.arguments import options_of
from dta_bench.data.suite_prepare import prepare_suite
from dta_bench.run import source_training
from dta_bench.run.finish import finish
from dta_bench.run.placement import Placement
from dta_bench.run.resolve import resolve
from dta_bench.sweep.suite import plan_suite

ROAD_AND_SKY = (0, 7)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_street_suite(tmp_path)
    write_streets(tmp_path / "data/towns")
    return tmp_path


def test_each_rendering_is_counted_by_pixels_and_shares_no_street(here: Path) -> None:
    found = prepare_suite("towns", here / "data")
    assert found["problems"] == []
    assert {name: one["images"] for name, one in found["domains"].items()} == {"flat": 10, "textured": 10, "ink": 10}
    for one in found["domains"].values():
        assert sum(one["class_counts"].values()) + one["unlabelled_pixels"] == 10 * 48 * 96
    assert not any(found["pairs"].values())


def test_a_source_of_label_maps_is_trained_on_once_and_its_runs_have_mean_iou_of_each_target(here: Path) -> None:
    options = options_of(
        backbone=["unet_mini"], method=["source_only"], epochs=1, points=1, seeds=1, training=["batch_size=2"],
        confirm=0,
    )  # fmt: skip
    planned = plan_suite("towns", options, ["flat->*"], here / "data")
    assert set(planned.plans) == {"flat -> textured", "flat -> ink"}
    scores = {}
    for pair, plan in planned.plans.items():
        resolved = resolve(plan.runs[0], str(here / "data"))
        placement = Placement(checkpoint=here / f"runs/{resolved.spec.id}.pt")
        result = finish(source_training.train_to_the_end(resolved, str(here / "data"), placement)).result
        assert result.test is not None
        scores[pair] = result.test.miou
    assert len(list((here / "runs/source").iterdir())) == 1
    assert scores["flat -> textured"] != scores["flat -> ink"]


@pytest.mark.slow  # sweeps of 12 and 18 runs
@pytest.mark.timeout(3600)
def test_prepare_sweep_and_report_make_one_table_of_mean_iou(here: Path) -> None:
    assert run_json("prepare", "towns", "--check", cwd=here)["problems"] == []
    command = (
        "sweep", "towns", "--backbone", "unet_mini", "--methods", "source_only,minent", "--epochs", "1", "--points",
        "1", "--seeds", "2", "--confirm", "0", "--training", "batch_size=2",
    )  # fmt: skip
    first = run_json(*command, cwd=here)
    assert (first["headline"], len(first["pairs"]), first["failed"]) == ("miou", 6, {})
    assert set(first["average"]) == {"source_only", "minent"}
    assert len(first["average_over"]) == 6
    assert run_json(*command, "--dry-run", cwd=here)["total"]["to_do"] == 0
    found = run_json("report", "towns", cwd=here)
    assert found["average"] == first["average"]
    page = (here / "reports/towns/report.html").read_text()
    assert "mean IoU" in page
    assert (here / "reports/towns/pairs/towns.flat-to-ink/report.html").exists()
    assert not (here / "runs/source").is_dir() or not list((here / "runs/source").iterdir())
