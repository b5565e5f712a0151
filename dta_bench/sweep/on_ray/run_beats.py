"""What a run that trains on a worker is doing now, in a small file that the driver reads: importing, loading, its pace.

Tune carries a result after each epoch only, and a first epoch may take long.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterable
from pathlib import Path

from dta_bench.run.placement import StopRequest

FOLDER = "beats"
PAUSE = 2.0
"""Seconds from one note of the pace to the next."""


class RunBeat(StopRequest):
    """A request to stop, which is looked at after every step, and so knows how many steps were taken.

    Args:
        file: where the driver looks; see :func:`beat_file`.
        batch_size: source images of a step.

    Attributes:
        trains: whether the run has begun; before that there is nothing to save.
    """

    trains = False

    def __init__(self, file: Path, batch_size: int) -> None:
        self._file, self._batch_size = file, batch_size
        self._epoch, self._steps, self._noted_at = 1, 0, time.monotonic()
        super().__init__()

    @property
    def requested(self) -> bool:
        """Whether the run is to stop."""
        self._steps += 1
        seconds = time.monotonic() - self._noted_at
        if seconds > PAUSE:
            self.note(f"epoch {self._epoch}, {self._steps * self._batch_size / seconds:.0f} images/s")
            self._steps, self._noted_at = 0, time.monotonic()
        return self._requested

    @requested.setter
    def requested(self, value: bool) -> None:
        self._requested = value

    @property
    def is_asked(self) -> bool:
        """Whether the run is to stop, for those who look without having taken a step."""
        return self._requested

    def epoch_done(self, epoch: int) -> None:
        """Count an epoch; the steps of the next one begin now."""
        self._epoch, self._steps, self._noted_at = epoch + 1, 0, time.monotonic()

    def note(self, doing: str) -> None:
        """Write down what the run is doing; a full disk is no reason to stop."""
        with contextlib.suppress(OSError):
            temporary = self._file.with_name(f".{self._file.name}.{os.getpid()}")
            temporary.write_text(json.dumps(doing))
            temporary.replace(self._file)

    def remove(self) -> None:
        """Remove the note: the run has ended."""
        self._file.unlink(missing_ok=True)


def beat_file(out: str, run_id: str) -> Path:
    """The file in which a run of a sweep says what it is doing; its folder is made."""
    folder = Path(out) / "runs" / FOLDER
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{run_id}.json"


def read_beats(out: str, runs: Iterable[str]) -> dict[str, str]:
    """Identity → what the run is doing, of those runs that say it; notes are at most a few seconds old."""
    found = {}
    wanted = set(runs)
    for file in sorted((Path(out) / "runs" / FOLDER).glob("*.json")):
        if file.stem in wanted:
            with contextlib.suppress(OSError, ValueError):
                found[file.stem] = str(json.loads(file.read_text()))
    return found


def clear_beats(out: str, runs: Iterable[str]) -> None:
    """Remove what workers that are gone have left."""
    for run in runs:
        (Path(out) / "runs" / FOLDER / f"{run}.json").unlink(missing_ok=True)
