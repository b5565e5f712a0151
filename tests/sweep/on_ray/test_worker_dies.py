"""A real sweep whose worker is killed while it starts or trains: it is told, and the run is trained all the same."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from fault_notes import Note
from real_sweeps import start, title, tracked, wait_until

pytestmark = pytest.mark.slow
SWEEP = ("sweep", "fonts_digits", "--method", "source_only", "--epochs", "2", "--points", "1", "--seeds", "2")
SWEEP = (*SWEEP, "--confirm", "0", "--backbone", "conv3_tiny", "--parallel", "1")
TOLD_SECONDS = 30.0


def starts(process: psutil.Process) -> bool:
    words = title(process).split()
    return len(words) > 1 and words[1].endswith("default_worker.py")


def trains(process: psutil.Process) -> bool:
    return title(process).startswith("ray::TrainRun.train")


@pytest.mark.parametrize(
    ("moment", "injected", "sentence"),
    [
        (starts, "while it starts", "died while it started; Ray waits for it for a minute"),
        (trains, "in its first second of a run", "died without a word: killed"),
    ],
)
def test_a_worker_that_is_killed_is_told_at_once_and_its_run_is_trained(
    moment: Callable[[psutil.Process], bool], injected: str, sentence: str, tmp_path: Path, note: Note
) -> None:
    driver = start(*SWEEP, cwd=tmp_path)
    lines = list[tuple[float, str]]()

    def read() -> None:
        assert driver.stderr is not None
        lines.extend((time.monotonic(), line) for line in driver.stderr)

    reader = threading.Thread(target=read)
    reader.start()
    family, victims = psutil.Process(driver.pid), list[psutil.Process]()

    def comes() -> bool:
        assert driver.poll() is None, lines
        victims[:] = [child for child in family.children(recursive=True) if moment(child)]
        return victims != []

    wait_until(comes, pause=0.05)
    victims[0].suspend()  # else it may be further by the time of the sweep's next look
    time.sleep(3)
    victims[0].kill()
    killed_at = time.monotonic()
    wait_until(lambda: driver.poll() is not None)
    reader.join(60)
    said = [(at - killed_at, line) for at, line in lines if sentence in line]
    assert said, lines
    assert driver.returncode == 0
    assert [run.status for run in tracked(tmp_path)] == ["FINISHED"] * 2
    assert said[0][0] < TOLD_SECONDS
    note(f"kill -9 of a worker {injected}", f"told within {TOLD_SECONDS:.0f} s; both runs were trained")
