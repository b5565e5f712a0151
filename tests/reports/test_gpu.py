"""The measurement on a GPU runs where there is none; its images are those of the CPU's way."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from documentation import ROOT

from dta_bench.data import batches
from dta_bench.nn.network import IMAGENET, Normalisation

sys.path.insert(0, str(ROOT / "reports"))
import gpu
from gpu_images import copied_ahead, standardise

NOT_NEEDED = ("ray", "mlflow", "optuna", "albumentations", "lmdb")


def images(count: int = 5) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 6, 7, 3), dtype=np.uint8)


@pytest.mark.parametrize("normalisation", [IMAGENET, Normalisation((0.5,) * 3, (0.25,) * 3), None])
def test_bytes_that_are_standardised_on_the_device_are_the_cpus_images(normalisation: Normalisation | None) -> None:
    given, flipped = images(), np.array([True, False, True, False, False])
    expected = np.zeros((5, 3, 6, 7), np.float32)
    for image, flip, row in zip(given, flipped, expected, strict=True):
        view = np.ascontiguousarray(image[:, ::-1]) if flip else image
        batches._standardise(batches.per_sample(view) if normalisation is None else view, normalisation, row)
    found = standardise(torch.from_numpy(given), normalisation, torch.from_numpy(flipped))
    assert np.abs(found.numpy() - expected).max() < 1e-5


def test_batches_that_are_copied_ahead_come_whole_and_in_order() -> None:
    given = [(torch.full((2,), number), torch.full((1,), -number)) for number in range(4)]
    found = list(copied_ahead(given, torch.device("cpu")))
    assert [[part.tolist() for part in batch] for batch in found] == [[p.tolist() for p in batch] for batch in given]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_device_nothing_is_measured_and_this_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    gpu.main(toy=False)
    assert capsys.readouterr().out == "not measured: there is no CUDA device here\n"


@pytest.mark.slow
def test_the_whole_script_runs_at_toy_size_and_needs_no_library_but_those_it_names() -> None:
    code = f"""
import runpy, sys
sys.argv = ["reports/gpu.py", "--toy"]
runpy.run_path("reports/gpu.py", run_name="__main__")
assert not set({NOT_NEEDED!r}) & sys.modules.keys()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if line.startswith("| ")][2:]
    assert len(rows) == 8
    assert all(line.count("|") == 4 for line in rows)
