"""The scripts of ``make scale`` at toy size: they drive today's launch and today's store."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

REPORTS = Path(__file__).parents[2] / "reports"
pytestmark = pytest.mark.slow


def printed_by(script: str, *arguments: str) -> Any:
    done = subprocess.run(
        [sys.executable, str(REPORTS / script), *arguments], capture_output=True, text=True, timeout=1500,
        env=os.environ | {"EPOCHS": "2"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_sweep_of_runs_that_only_report_is_measured() -> None:
    (found,) = printed_by("scale.py", "1", "10")["sweeps"]
    assert (found["runs"], found["results"]) == (10, 30)


def test_a_sweep_whose_driver_was_killed_knows_what_is_done() -> None:
    found = printed_by("resume.py", "20")
    assert 18 <= found["finished_when_killed"] <= 20
    assert found["said"].endswith("to do")
