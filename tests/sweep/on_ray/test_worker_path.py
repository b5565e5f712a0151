"""Files in the working directory that are named as libraries hide none of them, and plug-ins there are found."""

import subprocess
import sys
from pathlib import Path

import pytest
from real_sweeps import start

ONE_RUN = ("sweep", "fonts_digits", "--epochs", "1", "--points", "1", "--seeds", "1", "--confirm", "0")
LIBRARIES = ("random", "queue", "ray", "torch", "yaml", "mlflow", "numpy", "optuna", "PIL", "typer")


@pytest.mark.slow
def test_a_sweep_takes_no_file_of_the_users_for_a_library_and_still_finds_plugins(tmp_path: Path) -> None:
    for name in LIBRARIES:
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong module')\n")
    (tmp_path / "methods").mkdir()
    (tmp_path / "methods" / "mine.py").write_text("from dta_bench.methods.source_only import *\n")
    process = start(*ONE_RUN, "--method", "mine", "--backbone", "conv9_fc1", cwd=tmp_path)
    stdout, stderr = process.communicate(timeout=540)
    assert process.returncode == 0, stderr
    assert "the wrong module" not in stdout + stderr


def test_python_dash_m_takes_no_file_of_the_users_for_a_library(tmp_path: Path) -> None:
    for name in LIBRARIES:
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong module')\n")
    process = subprocess.run(
        [sys.executable, "-m", "dta_bench", "list"], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert process.returncode == 0, process.stderr
