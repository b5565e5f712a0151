"""The fingerprint of a data set in files: made from what the files hold, and compared across schemes.

It reads ``content-1:<contents>:<listing>``, two SHA-256 in hexadecimal. ``contents`` covers the path, the label and the
bytes of every file. ``listing`` covers path, size and label; it is all that the scheme before this one had, whose
fingerprints are the bare listing. Fingerprints of sets in memory are bare as well, and always covered the pixels.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from dta_bench.domains import content_digests
from dta_bench.errors import UserError

SCHEME = "content-1"
Verdict = Literal["same", "not verified", "other"]


def fingerprint(root: Path, entries: Iterable[tuple[str, str]]) -> str:
    """Identify a data set by the contents of its files; a file that has not changed since is not read again.

    Args:
        root: the folder that the paths are relative to.
        entries: (path, label) of each file, in any order. A path may hold bytes that are not UTF-8, as Python's
            surrogate escapes.

    Returns:
        A fingerprint of the scheme ``content-1``.

    Raises:
        UserError: a file is missing, or cannot be read.
    """
    ordered = sorted(entries)
    paths = [root / path for path, _ in ordered]
    states = [_state_of(path) for path in paths]
    digests = content_digests.digests_of(paths, states)
    contents, listing = hashlib.sha256(), hashlib.sha256()
    for (path, label), state, digest in zip(ordered, states, digests, strict=True):
        listing.update(_encode(f"{path}\t{state.st_size}\t{label}\n"))
        contents.update(_encode(f"{path}\0{label}\0") + digest)
    return f"{SCHEME}:{contents.hexdigest()}:{listing.hexdigest()}"


def _state_of(path: Path) -> os.stat_result:
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):
            raise OSError("it is no file")
    except OSError as error:
        raise UserError(f"{path} is missing, though its data set names it; get the data set again") from error
    return state


def without(fingerprint: str, names: Iterable[str]) -> str:
    """The fingerprint of a data set without some of its images, which is another data set."""
    scheme, parts = _parts(fingerprint)
    removed = sorted(names)
    digests = [hashlib.sha256(_encode("\n".join([part, *removed]))).hexdigest() for part in parts]
    return ":".join([*([scheme] if scheme else []), *digests])


def compare(stored: str, today: str) -> Verdict:
    """Say whether a stored run's data are those of today.

    Returns:
        ``not verified``: the run's fingerprint is of the scheme before ``content-1``, and under that scheme (paths,
        sizes, labels) the data are the same; their contents cannot be compared.
    """
    if stored == today:
        return "same"
    scheme, parts = _parts(today)
    is_older = scheme == SCHEME and re.fullmatch("[0-9a-f]{64}", stored) is not None
    return "not verified" if is_older and stored == parts[-1] else "other"


def listing(fingerprint: str) -> str:
    """The part of a fingerprint that the scheme before ``content-1`` has too; a bare fingerprint is that part."""
    return _parts(fingerprint)[1][-1]


def is_of_contents(fingerprint: str) -> bool:
    """Whether a fingerprint is of the scheme ``content-1``."""
    return _parts(fingerprint)[0] == SCHEME


def shorten(fingerprint: str) -> str:
    """The first 12 hex digits of the part that identifies the data, for people."""
    return _parts(fingerprint)[1][0][:12]


def they_are_not_verified(count: int) -> str:
    """What is said of runs whose data could be compared under an older scheme alone."""
    runs = f"{count} runs were" if count > 1 else "1 run was"
    return (
        f"contents not verified: {runs} made on data of the same paths, sizes and labels as today's; the fingerprint of"
        " that time does not say what the files held"
    )


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _parts(fingerprint: str) -> tuple[str, list[str]]:
    """Scheme (empty for a bare fingerprint) and digests."""
    first, *others = fingerprint.split(":")
    return (first, others) if others else ("", [first])
