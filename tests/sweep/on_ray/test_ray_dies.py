"""A real sweep whose Ray dies under it: one sentence, a status, and the same command goes on."""

from pathlib import Path

import psutil
import pytest
from fault_notes import Note
from real_sweeps import run_json, start, title, tracked, wait_until

pytestmark = pytest.mark.slow
SWEEP = ("sweep", "fonts_digits", "--method", "source_only", "--epochs", "12", "--points", "1", "--seeds", "1")
SWEEP = (*SWEEP, "--confirm", "0", "--backbone", "conv3_tiny")


def kill_under_a_sweep(program: str, folder: Path) -> str:
    """Kill a program of Ray while a run trains, then give the same command again.

    Returns: what the first command said last.
    """
    driver = start(*SWEEP, cwd=folder)
    family = psutil.Process(driver.pid)

    def trains() -> bool:
        assert driver.poll() is None, driver.communicate()
        return any("ray::TrainRun" in title(child) for child in family.children(recursive=True))

    wait_until(trains)
    wait_until(lambda: any((folder / "runs").glob("*.pt")))
    (victim,) = [child for child in family.children(recursive=True) if title(child).split(" ")[0].endswith(program)]
    others = [child for child in family.children(recursive=True) if child != victim]
    victim.kill()
    _, stderr = driver.communicate(timeout=100)
    assert driver.returncode == 2, stderr
    assert "Traceback" not in stderr
    psutil.wait_procs(others, timeout=100)
    found = run_json(*SWEEP, cwd=folder)
    assert found["runs"] == 1
    assert [run.status for run in tracked(folder)] == ["FINISHED"]
    return stderr.strip().splitlines()[-1]


WENT_ON = "one sentence and status 2; the same command finished the run"


def test_a_raylet_that_dies_ends_its_sweep_with_one_sentence_and_the_same_command_goes_on(
    tmp_path: Path, note: Note
) -> None:
    said = kill_under_a_sweep("raylet", tmp_path)
    assert "dta-bench: Ray on this machine has died (its raylet); what was finished is kept" in said
    note("kill -9 of this machine's raylet while a run trains", WENT_ON)


def test_a_gcs_that_dies_ends_its_sweep_with_one_sentence_and_the_same_command_goes_on(
    tmp_path: Path, note: Note
) -> None:
    said = kill_under_a_sweep("gcs_server", tmp_path)
    assert "does not answer any more (its GCS has died); what was finished is kept" in said
    note("kill -9 of this machine's GCS while a run trains", WENT_ON)
