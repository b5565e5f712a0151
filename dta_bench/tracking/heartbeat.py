"""Who is at work on a store's runs: a sweep says so while it lives, so that another does not train the same ones.

A sweep's folder has a lock of its own; this is for sweeps in several folders, or on several machines, with one store.
The parent run has a tag for each sweep that works under it, which is written again and again; one that stands still for
``WATCH`` seconds is that of a dead sweep. Clocks are not compared.
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

BEAT = 5.0  # seconds
WATCH = 6 * BEAT
TAG = "at_work."


@dataclass(frozen=True)
class AtWork:
    """A sweep that says that it lives: its machine and folder, how often it has said so, the identities of its runs.

    ``parent`` and ``tag`` are where it says so.
    """

    parent: str
    tag: str
    place: str
    beat: int
    runs: frozenset[str]


@contextlib.contextmanager
def saying(client: Any, parent: str, place: str, runs: Collection[str]) -> Iterator[None]:
    """Within the block the store says that the sweep at ``place`` works on ``runs``; a server may be away meanwhile."""
    tag, ended = TAG + hashlib.sha256(place.encode()).hexdigest()[:8], threading.Event()

    def say(beat: int) -> None:
        client.set_tag(parent, tag, json.dumps({"place": place, "beat": beat}))

    def keep_saying() -> None:
        beat = 1
        while not ended.wait(BEAT):
            with contextlib.suppress(Exception):  # what ails the store, the runs tell of
                say(beat)
            beat += 1

    client.log_dict(parent, sorted(runs), f"{tag}.json")
    say(0)
    thread = threading.Thread(target=keep_saying, daemon=True, name="at work")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        with contextlib.suppress(Exception):
            client.delete_tag(parent, tag)


def said(client: Any, parents: Iterable[Any]) -> list[AtWork]:
    """All that say so under ``parents``, runs of MLflow; some may have died since.

    What cannot be read is none of ours.
    """
    tags = [(parent.info.run_id, *tag) for parent in parents for tag in parent.data.tags.items()]
    found = (_read(client, *tag) for tag in tags if tag[1].startswith(TAG))
    return [each for each in found if each is not None]


def _read(client: Any, parent: str, tag: str, told: str) -> AtWork | None:
    if f"{tag}.json" not in {file.path for file in client.list_artifacts(parent)}:
        return None
    try:
        place, beat = json.loads(told)["place"], json.loads(told)["beat"]
        with tempfile.TemporaryDirectory() as folder:
            listed = Path(client.download_artifacts(parent, f"{tag}.json", folder))
            return AtWork(parent, tag, str(place), int(beat), frozenset(json.loads(listed.read_text("utf-8"))))
    except (ValueError, TypeError, KeyError, OSError):
        return None


def alive(client: Any, look: Callable[[], list[AtWork]]) -> AtWork | None:
    """One of those that ``look`` gives whose beat goes on; waits for ``WATCH`` seconds at most, if there are any.

    What the dead have said is removed.
    """
    first = {(each.parent, each.tag): each.beat for each in look()}
    deadline = time.monotonic() + WATCH
    while first and time.monotonic() < deadline:
        time.sleep(BEAT / 5)
        for each in look():
            if each.beat != first.get((each.parent, each.tag), each.beat):
                return each
    for parent, tag in first:
        with contextlib.suppress(Exception):  # gone by itself
            client.delete_tag(parent, tag)
    return None
