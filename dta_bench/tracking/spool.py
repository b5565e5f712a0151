"""Metrics on their way to the tracker: on disk first, then sent in the background, and kept until they have arrived."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dta_bench.errors import UserError
from dta_bench.errors.credentials import mask
from dta_bench.tracking.retry import PATIENCE, is_refusal, retrying

Entry = dict[str, Any]


class Spool:
    """A file with one entry a line, and a thread that sends the entries in order.

    After a crash, the next spool of the same file sends what the crashed process had written. An entry is removed only
    after it has arrived, so it may be sent twice, and sending must bear repetition. An entry that the store refuses for
    good is set aside in a file beside this one, so that those behind it arrive; :meth:`refusal_of` and a warning tell.

    Args:
        path: the file; it exists only while an entry waits.
        send: delivers one entry, or raises.
        uri: of the store; only a server is waited for.
    """

    def __init__(self, path: Path, send: Callable[[Entry], None], uri: str) -> None:
        self._path, self._send, self._uri = path, send, uri
        self._changed = threading.Condition()
        self._closed = threading.Event()
        self._error: Exception | None = None
        self._waiting = _read(path)
        self._refused: list[tuple[Entry, str]] = []
        self.refused_path = path.with_name(f"{path.name}.refused")
        self._thread = threading.Thread(target=self._deliver, name=f"spool {path.name}", daemon=True)

    def put(self, entry: Entry) -> None:
        """Write ``entry`` to disk and send it as soon as the store can be reached; return at once."""
        with self._changed:
            with contextlib.suppress(OSError):  # a full disk: the entry is still sent, only a crash could lose it
                _append(self._path, entry)
            self._waiting.append(entry)
            self._start()

    def flush(self, patience: float = PATIENCE) -> bool:
        """Wait until all entries have arrived, at most ``patience`` seconds.

        Returns: whether all have arrived.

        Raises:
            Exception: the store's own error, if it is neither out of reach nor refuses an entry for good.
        """
        with self._changed:
            self._start()
            arrived = self._changed.wait_for(lambda: not self._waiting or self._error is not None, patience)
        if self._error is not None:
            raise self._error
        return arrived

    def close(self, patience: float = PATIENCE) -> None:
        """Flush, then end the thread; what has not arrived stays on disk.

        Raises:
            UserError: something has not arrived after ``patience`` seconds.
        """
        arrived = self.flush(patience)
        self.abandon()
        if not arrived:
            raise UserError(
                f"the MLflow server {self._uri} did not answer for {patience:.0f} s; what it has not got lies in"
                f" {self._path}, and the same command delivers it"
            )

    def abandon(self) -> None:
        """End the thread at once; what has not arrived stays on disk."""
        if self._refused and not self._closed.is_set():
            count = f"{len(self._refused)} batch{'es' if len(self._refused) > 1 else ''} of metrics"
            logging.getLogger("dta_bench").warning(
                f"the MLflow store refused {count} ({self._refused[0][1]}), which MLflow does not show;"
                f" they lie in {self.refused_path}"
            )
        self._closed.set()
        with self._changed:
            self._changed.notify_all()

    def refusal_of(self, entry: Entry) -> str | None:
        """Why the store has refused an entry for good; None if it has not."""
        return next((reason for refused, reason in self._refused if refused == entry), None)

    def _start(self) -> None:
        if self._thread.ident is None:
            self._thread.start()
        self._changed.notify_all()

    def _deliver(self) -> None:
        while (entry := self._next()) is not None:
            try:
                retrying(self._uri, float("inf"), self._closed)(self._send, entry)
            except Exception as error:
                if not is_refusal(error):
                    with self._changed:
                        self._error = None if self._closed.is_set() else error  # flush raises it
                        self._changed.notify_all()
                    return
                self._set_aside(entry, mask(str(error).partition("\n")[0]))
            with self._changed:
                self._waiting.pop(0)
                if not self._waiting:
                    with contextlib.suppress(OSError):
                        self._path.unlink(missing_ok=True)
                self._changed.notify_all()

    def _set_aside(self, entry: Entry, reason: str) -> None:
        with contextlib.suppress(OSError):
            _append(self.refused_path, entry | {"refused": reason})
        self._refused.append((entry, reason))

    def _next(self) -> Entry | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed.is_set())
            return None if self._closed.is_set() else self._waiting[0]


def _append(path: Path, entry: Entry) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write("\n" + json.dumps(entry))  # line end first, so that a torn line spoils only itself
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path) -> list[Entry]:
    """Read the entries that another process left; a line that a crash has torn is dropped."""
    if not path.exists():
        return []
    entries = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        with contextlib.suppress(json.JSONDecodeError):
            entries.append(json.loads(line))
    return entries
