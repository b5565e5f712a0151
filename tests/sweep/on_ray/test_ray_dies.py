"""A real sweep whose Ray dies under it: one sentence, a status, and the same command goes on."""

from pathlib import Path

import psutil
import pytest
from real_sweeps import run_json, start, title, tracked, wait_until

pytestmark = pytest.mark.slow
SWEEP = ("sweep", "fonts_digits", "--method", "source_only", "--epochs", "12", "--points", "1", "--seeds", "1")
SWEEP = (*SWEEP, "--confirm", "0", "--backbone", "conv3_tiny")


@pytest.mark.parametrize(("program", "says"), [
    ("raylet", "dta-bench: Ray on this machine has died (its raylet); what was finished is kept"),
    ("gcs_server", "does not answer any more (its GCS has died); what was finished is kept"),
])  # fmt: skip
def test_a_ray_that_dies_ends_its_sweep_with_one_sentence_and_the_same_command_goes_on(
    program: str, says: str, tmp_path: Path
) -> None:
    driver = start(*SWEEP, cwd=tmp_path)
    family = psutil.Process(driver.pid)
    wait_until(lambda: any("ray::TrainRun" in title(child) for child in family.children(recursive=True)))
    wait_until(lambda: any((tmp_path / "runs").glob("*.pt")))
    (victim,) = [child for child in family.children(recursive=True) if title(child).split(" ")[0].endswith(program)]
    others = [child for child in family.children(recursive=True) if child != victim]
    victim.kill()
    _, stderr = driver.communicate(timeout=100)
    assert driver.returncode == 2, stderr
    assert says in stderr.strip().splitlines()[-1]
    assert "Traceback" not in stderr
    psutil.wait_procs(others, timeout=100)
    found = run_json(*SWEEP, cwd=tmp_path)
    assert found["runs"] == 1
    assert [run.status for run in tracked(tmp_path)] == ["FINISHED"]
