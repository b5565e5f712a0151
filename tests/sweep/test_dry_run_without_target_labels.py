"""A dry run says in words which labels of the target are there, and refuses what needs those that are not."""

import json
from pathlib import Path
from typing import Any

import fake_datasets
import numpy as np
import pytest
import yaml
from command_line import refusal
from typer.testing import CliRunner

from dta_bench import cli
from dta_bench.data.benchmark_plugin import benchmark_plugin
from dta_bench.data.missing_data import missing_data
from dta_bench.spec.target_labels import CONSEQUENCES, TargetLabels

DRY = "sweep mine --backbone conv3_tiny --method mcc --points 1 --root data --dry-run"


def state_pair(root: Path, target: dict[str, Any]) -> None:
    """Two classes of studio images, six images of the street without labels, two rows of labels, a labelled test."""
    for i in range(6):
        pixels = np.random.default_rng(i).integers(0, 256, (8, 8, 3)).astype(np.uint8)
        for name in ("studio/cat", "studio/dog", "street", "street_test/cat", "street_test/dog"):
            fake_datasets.save(root / "data" / name / f"{i}.png", np.roll(pixels, len(name), axis=0))
    (root / "data/few.csv").write_text("path,class\n0.png,cat\n1.png,dog\n")
    (root / "benchmarks").mkdir()
    pair = {"source": "studio", "target": {"images": "street"} | target, "classes": ["cat", "dog"], "image_size": 32}
    (root / "benchmarks/mine.yaml").write_text(yaml.safe_dump(pair))


@pytest.mark.parametrize(("target", "situation"), [
    ({}, "none"), ({"labelled": "few.csv"}, "subset"), ({"test": "street_test"}, "test"),
    ({"labelled": "few.csv", "test": "street_test"}, "both"),
])  # fmt: skip
def test_it_tells_the_situation(
    target: dict[str, Any], situation: TargetLabels, out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    state_pair(out, target)
    result = CliRunner().invoke(cli.app, [*DRY.split(), "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(capfd.readouterr().out)["target_labels"] == situation
    CliRunner().invoke(cli.app, DRY.split())
    said = " ".join(capfd.readouterr().out.split())
    assert f"labels of the target: {CONSEQUENCES[situation]}" in said


def test_where_the_data_are_not_there_it_says_so_and_names_the_command_that_gets_them(
    out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    line = "sweep visda --method mcc --points 1 --root elsewhere --dry-run"
    CliRunner().invoke(cli.app, line.split())
    said = capfd.readouterr().out
    assert f"labels of the target, as the benchmark's file declares them: {CONSEQUENCES['both']}\n" in said
    assert f"the data of visda are not there: no folder {out / 'elsewhere/visda/train'}, and 1 more\n" in said
    assert "\nNext: dta-bench prepare visda --root elsewhere  # " in said


def test_a_pair_without_its_folders_is_seen_to_lack_them(out: Path) -> None:
    state_pair(out, {"test": "street_test"})
    assert missing_data("mine", out / "data") == ""
    assert missing_data("mine", out / "nowhere").startswith(f"no folder {out / 'nowhere/studio'}, and ")


@pytest.mark.parametrize("benchmark", ["svhn_mnist", "mnist_usps", "usps_mnist", "cifar_stl", "stl_cifar"])
def test_a_benchmark_of_single_files_is_seen_to_lack_them(benchmark: str, tmp_path: Path) -> None:
    files = benchmark_plugin(benchmark).files(tmp_path)
    assert missing_data(benchmark, tmp_path) == f"no file {files[0]}, and {len(files) - 1} more"
    for path in files:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert missing_data(benchmark, tmp_path) == ""


def test_a_search_that_compares_by_labels_is_refused_where_there_are_none(out: Path) -> None:
    state_pair(out, {})
    assert "--search tpe compares runs by their score on labelled images" in refusal(f"{DRY} --search tpe")
