"""Errors that the environment of the command causes, as sentences: no home folder, no folder for temporary files."""

from __future__ import annotations

from pathlib import Path

from dta_bench.errors import UserError

NO_HOME = "Could not determine home directory"
NO_TEMPORARY_FOLDER = "No usable temporary directory found in "


def environment_error(error: Exception) -> str:
    """Say in one sentence what is missing in the environment, and which variable gives it.

    Python's own errors are recognised, because any library may be the first that needs such a folder.

    Returns:
        Empty, if the error has another cause.
    """
    if isinstance(error, RuntimeError) and str(error).startswith(NO_HOME):
        return "no home folder is known: HOME is not set, and this user is not in /etc/passwd; set HOME to a folder"
    if isinstance(error, FileNotFoundError) and (error.strerror or "").startswith(NO_TEMPORARY_FOLDER):
        looked_at = str(error.strerror).removeprefix(NO_TEMPORARY_FOLDER).strip("[]").replace("'", "")
        return f"no folder for temporary files can be written to ({looked_at}); set TMPDIR to one that can"
    return ""


def require_home() -> None:
    """Check that a home folder is known, for libraries that fail without one; it need not exist.

    Raises:
        UserError: none is known.
    """
    try:
        Path.home()
    except RuntimeError as error:
        raise UserError(environment_error(error)) from error
