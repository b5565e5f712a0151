"""The folder for the sessions of a Ray of this machine: its sockets and logs, for this user alone."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from dta_bench.domains.private_folder import make_private
from dta_bench.errors import UserError

SOCKET_PATH_BYTES = 103  # the longest name of a Unix socket: 107 on Linux, 103 on macOS
LONGEST_SOCKET = "/session_2026-01-01_00-00-00_000000_0000000/sockets/plasma_store"
ALWAYS_SHORT = Path("/tmp")


def session_folder() -> Path:
    """Make the folder, or find it: in ``RAY_TMPDIR`` or ``TMPDIR``, or in ``/tmp`` if the sockets' names get too long.

    Ray's own choice, ``/tmp/ray``, can be read and written by every user of the machine. Ray opens the folder that it
    is given to everyone, so that the folder around it is the private one.

    Raises:
        UserError: it cannot be made, or is not this user's alone.
    """
    variable = "RAY_TMPDIR" if os.environ.get("RAY_TMPDIR") else "TMPDIR"
    parent = Path(os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()).resolve()
    private, inner = f"dta-bench-{os.geteuid()}", "ray"
    room = SOCKET_PATH_BYTES - len(f"/{private}/{inner}{LONGEST_SOCKET}")
    if len(os.fsencode(parent)) > room:
        parent = ALWAYS_SHORT
    try:
        return make_private(parent / private) / inner
    except OSError as error:
        raise UserError(
            f"Ray has no folder of its own for this sweep ({error}); set {variable} to a folder that you can write to,"
            f" with a path of at most {room} bytes"
        ) from error
