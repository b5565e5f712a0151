"""Files in the working directory that are named as libraries hide none of them, and plug-ins there are found."""

import subprocess
import sys
from pathlib import Path

import pytest
from fault_notes import Note

ONE_RUN = ("sweep", "fonts_digits", "--epochs", "1", "--points", "1", "--seeds", "1", "--confirm", "0")
LIBRARIES = ("random", "queue", "torch", "ray", "yaml", "mlflow", "numpy", "optuna", "PIL", "typer")

OF_DASH_M = ("types", "functools")  # python -m without -P reads these before any code of ours


@pytest.mark.slow
def test_a_sweep_takes_no_file_of_the_users_for_a_library_and_still_finds_plugins(tmp_path: Path, note: Note) -> None:
    for name in (*LIBRARIES, *OF_DASH_M):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong module')\n")
    (tmp_path / "methods").mkdir()
    (tmp_path / "methods" / "mine.py").write_text("from dta_bench.methods.source_only import *\n")
    command = [sys.executable, "-P", "-m", "dta_bench", *ONE_RUN, "--method", "mine", "--backbone", "conv9_fc1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stderr
    assert "the wrong module" not in done.stdout + done.stderr
    note(
        f"{', '.join(f'{name}.py' for name in (*OF_DASH_M, *LIBRARIES[:3]))} and others of the user's beside the data",
        "the sweep took none of them for the library, and found the user's plug-in",
    )


def test_python_dash_m_takes_no_file_of_the_users_for_a_library(tmp_path: Path) -> None:
    for name in LIBRARIES:
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong module')\n")
    process = subprocess.run(
        [sys.executable, "-m", "dta_bench", "list"], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert process.returncode == 0, process.stderr
