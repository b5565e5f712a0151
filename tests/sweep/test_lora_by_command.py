"""``--tune lora`` from the command line: killed, it goes on to the bit; what is exported has plain weights."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from command_line import dta_bench
from drawn_suites import write_domains
from safetensors.numpy import load_file

TRAIN = (
    "train", "any_pair", "--benchmark", "animals", "--backbone", "timm/test_vit.r160_in1k", "--method", "dta",
    "--tune", "lora", "--epochs", "3", "--training", "batch_size=4", "--keep-network", "--json",
)  # fmt: skip


def write_pair(folder: Path) -> None:
    write_domains(folder / "data", {"photo": ["cat", "dog"], "ink": ["cat", "dog"]})
    (folder / "benchmarks").mkdir()
    lines = ("# Drawn animals.", "source: photo", "target: ink", "classes: [cat, dog]", "image_size: 32", "labels: 4")
    (folder / "benchmarks/animals.yaml").write_text("\n".join(lines) + "\n")


def killed_after_an_epoch(folder: Path, out: str) -> None:
    command = [sys.executable, "-m", "dta_bench", *TRAIN, "--out", out]
    run = subprocess.Popen(command, cwd=folder, env=dict(os.environ), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    while not list(folder.glob(f"{out}/runs/*.pt")):
        assert run.poll() is None, run.communicate()[0]
        time.sleep(0.02)
    run.kill()
    run.wait()


def arrays_of(folder: Path, out: str) -> dict[str, np.ndarray]:
    (file,) = folder.glob(f"{out}/mlartifacts/*/artifacts/predictions.npz")
    with np.load(file) as stored:
        return dict(stored)


@pytest.mark.slow  # it trains a transformer twice, and exports it
def test_a_killed_run_goes_on_to_the_bit_and_its_exports_have_plain_weights(tmp_path: Path) -> None:
    write_pair(tmp_path)
    whole = dta_bench(*TRAIN, "--out", "whole", cwd=tmp_path)
    assert whole.returncode == 0, whole.stderr
    killed_after_an_epoch(tmp_path, "killed")
    again = dta_bench(*TRAIN, "--out", "killed", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    one, other = arrays_of(tmp_path, "whole"), arrays_of(tmp_path, "killed")
    assert one.keys() == other.keys()
    for name, values in one.items():
        np.testing.assert_array_equal(values, other[name], err_msg=name)
    run = json.loads(again.stdout)["run_id"]
    for kind, file in (("safetensors", "merged.safetensors"), ("timm", "timm.safetensors"), ("torchscript", "t.pt")):
        said = dta_bench("export", run, "--to", kind, "--file", file, "--out", "killed", cwd=tmp_path)
        assert said.returncode == 0, (kind, said.stderr)
    assert not [name for file in ("merged", "timm") for name in load_file(tmp_path / f"{file}.safetensors")
                if "parametrizations" in name]  # fmt: skip


@pytest.mark.slow
def test_a_sweep_of_adapters_ends_in_a_report(tmp_path: Path) -> None:
    write_pair(tmp_path)
    swept = dta_bench(
        "sweep", "any_pair", "--benchmark", "animals", "--backbone", "timm/test_vit.r160_in1k", "--method", "dta,mcc",
        "--points", "1", "--seeds", "1", "--confirm", "0", "--tune", "lora", "--epochs", "2", "--training",
        "batch_size=4", "--out", "store", "--json", cwd=tmp_path,
    )  # fmt: skip
    assert swept.returncode == 0, swept.stderr
    assert {row["method"] for row in json.loads(swept.stdout)["leaderboard"]} >= {"dta", "mcc", "source_only"}
