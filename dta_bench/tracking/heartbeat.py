"""Which sweeps work on the runs of a store: each announces itself while it lives, so that no two train the same run.

A sweep's folder has a lock of its own; this is for sweeps in several folders, or on several machines, that share one
store. ``dta-bench train`` counts as a sweep of one run.

The parent run has a tag for each sweep that works under it, and the sweep writes its tag again every
``BEAT_SECONDS``. A tag that does not change for ``WATCH_SECONDS`` belongs to a dead sweep. Clocks are not compared to
decide that; the time of a beat is in its tag for people, who want to know since when nothing has happened.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BEAT_SECONDS = 5.0
WATCH_SECONDS = 6 * BEAT_SECONDS
SILENT_SECONDS = 120.0
"""A beat that is older is told to be the last sign of life: clocks of machines may differ by a minute."""
TAG = "at_work."


@dataclass(frozen=True)
class ActiveSweep:
    """A sweep that has announced itself: its machine and folder, its number of beats, the identities of its runs.

    ``parent`` (a run's id in MLflow) and ``tag`` say where the announcement stands; ``time`` is that of the last beat,
    in seconds since 1970 by the sweep's own clock, None where an earlier version wrote it.
    """

    parent: str
    tag: str
    location: str
    beat: int
    runs: frozenset[str]
    time: float | None = None


@contextlib.contextmanager
def announce(client: Any, parent: str, location: str, runs: Collection[str]) -> Iterator[None]:
    """Announce, within the block, that the sweep at ``location`` works on ``runs``; the server may be away meanwhile.

    Args:
        client: of MLflow.
        parent: the id in MLflow of the sweep's parent run.
        location: machine and folder; two sweeps with one location count as the same.
        runs: identities.
    """
    tag, ended = TAG + hashlib.sha256(location.encode()).hexdigest()[:8], threading.Event()

    def write(beat: int) -> None:
        client.set_tag(parent, tag, json.dumps({"place": location, "beat": beat, "time": int(time.time())}))

    def keep_writing() -> None:
        beat = 1
        while not ended.wait(BEAT_SECONDS):
            with contextlib.suppress(Exception):  # the runs report what is wrong with the store
                write(beat)
            beat += 1

    client.log_dict(parent, sorted(runs), f"{tag}.json")
    write(0)
    thread = threading.Thread(target=keep_writing, daemon=True, name="at work")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        with contextlib.suppress(Exception):
            client.delete_tag(parent, tag)


def announced_sweeps(client: Any, parents: Iterable[Any]) -> list[ActiveSweep]:
    """Read every announcement, also those of sweeps that have died since; an unreadable tag is not ours.

    Args:
        parents: the parent runs to look at, as MLflow's own ``Run`` objects.
    """
    tags = [(parent.info.run_id, *tag) for parent in parents for tag in parent.data.tags.items()]
    sweeps = (_read(client, *tag) for tag in tags if tag[1].startswith(TAG))
    return [sweep for sweep in sweeps if sweep is not None]


def _read(client: Any, parent: str, tag: str, value: str) -> ActiveSweep | None:
    if f"{tag}.json" not in {file.path for file in client.list_artifacts(parent)}:
        return None
    try:
        location, beat, last = (json.loads(value).get(key) for key in ("place", "beat", "time"))
        if location is None:
            return None
        with tempfile.TemporaryDirectory() as folder:
            file = Path(client.download_artifacts(parent, f"{tag}.json", folder))
            runs = frozenset(json.loads(file.read_text("utf-8")))
        return ActiveSweep(parent, tag, str(location), int(beat), runs, None if last is None else float(last))
    except (ValueError, TypeError, AttributeError, OSError):
        return None


def find_living(client: Any, read: Callable[[], list[ActiveSweep]]) -> ActiveSweep | None:
    """Find a sweep whose beat goes on; remove the announcements of dead ones.

    Args:
        read: gives the announced sweeps in question; it is called again and again.

    Returns: the first sweep that beats, or None. Without any announcement the answer comes at once, otherwise after
        ``WATCH_SECONDS`` at most.
    """
    first_beats = {(sweep.parent, sweep.tag): sweep.beat for sweep in read()}
    deadline = time.monotonic() + WATCH_SECONDS
    while first_beats and time.monotonic() < deadline:
        time.sleep(BEAT_SECONDS / 5)
        for sweep in read():
            if sweep.beat != first_beats.get((sweep.parent, sweep.tag), sweep.beat):
                return sweep
    for parent, tag in first_beats:
        with contextlib.suppress(Exception):  # its sweep has ended and removed it
            client.delete_tag(parent, tag)
    return None
