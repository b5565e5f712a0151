"""The measurement on a GPU runs where there is none."""

import subprocess
import sys

import pytest
import torch
from documentation import ROOT

sys.path.insert(0, str(ROOT / "reports"))
import gpu

NOT_NEEDED = ("ray", "mlflow", "optuna", "albumentations", "lmdb")


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
    assert len(rows) == 9
    assert all(line.count("|") == 4 for line in rows)
