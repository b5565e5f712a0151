"""Checkpoints on the machine's own disk, copied to shared storage now and then, and whenever a run is stopped."""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import threading
import time
from pathlib import Path

from dta_bench.domains.private_folder import make_private
from dta_bench.errors import UserError
from dta_bench.run import checkpoint

COPY_SECONDS = 1800.0
"""How old the copy on shared storage may become: what a run loses whose machine is lost without a notice."""
STALE_SECONDS = 7 * 24 * 3600.0
"""A checkpoint unused for so long is of a run that went on elsewhere."""


def make_folder(given: Path) -> Path:
    """The folder of this user's checkpoints inside the one that the user named, without those that nobody needs.

    Raises:
        UserError: it cannot be made here, or is not this user's alone.
    """
    try:
        folder = make_private(given / f"dta-bench-checkpoints-{os.geteuid()}")
    except OSError as error:
        raise UserError(
            f"--local-checkpoints {given} cannot be written on this machine: {error.strerror or error}; name a folder "
            "on every machine's own disk"
        ) from error
    for path in folder.glob("*.*"):
        if path.suffix in checkpoint.SUFFIXES:
            with contextlib.suppress(OSError):  # another worker removes it too
                if time.time() - path.stat().st_mtime > STALE_SECONDS:
                    path.unlink()
    return folder


def file_for(shared: Path, folder: Path) -> Path:
    """The file in ``folder`` that stands for a checkpoint on shared storage."""
    return folder / f"{hashlib.sha256(os.fsencode(shared.absolute())).hexdigest()[:32]}{shared.suffix}"


class Copies:
    """Copies checkpoints to shared storage on threads, each at most every :data:`COPY_SECONDS`.

    Args:
        seconds: instead of :data:`COPY_SECONDS`.
    """

    def __init__(self, seconds: float = COPY_SECONDS) -> None:
        self._seconds, self._alone = seconds, threading.Lock()
        self._begun: dict[Path, float] = {}
        self._error: UserError | None = None

    def saved(self, local: Path, shared: Path, is_stopping: bool) -> None:
        """Copy a checkpoint that was just written, if it is time.

        Args:
            local: on the machine's own disk.
            shared: where the copy goes.
            is_stopping: the run will stop now: the copy is made before this returns.

        Raises:
            UserError: this copy, or the last one on a thread, could not be written.
        """
        error, self._error = self._error, None
        if is_stopping:
            self._copy(local, shared)
        elif error is not None:
            raise error
        elif time.monotonic() - self._begun.get(shared, -math.inf) >= self._seconds:
            self._begun[shared] = time.monotonic()
            threading.Thread(target=self._copy_in_background, name="_copy", args=(local, shared), daemon=True).start()

    def discard(self, local: Path, shared: Path) -> None:
        """Remove a checkpoint and its copy; a copy that is waiting is not made any more."""
        with self._alone:
            checkpoint.discard(local)
            checkpoint.discard(shared)

    def _copy_in_background(self, local: Path, shared: Path) -> None:
        try:
            self._copy(local, shared)
        except UserError as error:
            self._error = error

    def _copy(self, local: Path, shared: Path) -> None:
        with self._alone, contextlib.ExitStack() as stack:
            try:
                source = stack.enter_context(local.open("rb"))  # a later save replaces the file, and not what is open
            except FileNotFoundError:  # discarded
                return
            checkpoint.write_whole(shared, source)


COPIES = Copies()
"""Of this process."""
