"""Files from the internet or a mirror: resumed where they broke off, checked, unpacked whole or not at all."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import json
import shutil
import tarfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import tenacity
from filelock import FileLock, Timeout

from dta_bench.errors import UserError

PATIENCE = 20.0  # seconds without a byte, after which a connection counts as lost
CONNECTING = 5.0  # seconds for the first answer: a machine without a network is told so at once
TRIES = 6  # in a row that bring nothing
BLOCK = 1 << 18
HEADROOM = 64 << 20
Tell = Callable[[str, int, int], None]
"""Told of a file's name, the bytes that are there, and those there will be (0: the server does not say)."""


@dataclass(frozen=True)
class Archive:
    """A file to fetch, and what it gives under the root: paths, each with its MD5 where its owner publishes one.

    ``file`` is where it lands under the root; an archive is removed once it is unpacked (``into`` a folder, or, for
    ``gzip``, beside itself without its suffix).
    """

    url: str
    file: str
    md5: str = ""
    unpack: Literal["", "gzip", "tar"] = ""
    into: str = ""
    gives: dict[str, str] = field(default_factory=dict)

    def is_there(self, root: Path) -> bool:
        """Whether all that it gives lies under the root."""
        return all((root / path).exists() for path in self.gives or {self.file: ""})


class _Lost(Exception):
    """The connection broke; what came is kept."""


class _Unreachable(Exception):
    """No server answered, or it has no such file."""


def fetch(archive: Archive, root: Path, mirror: str | None = None, tell: Tell = lambda *_: None) -> None:
    """Get one file (from ``mirror/<its name>``, if a mirror is given), check it and unpack it; resumes what is there.

    Raises:
        UserError: no network, no such file, no room, or a file that is not what its owner published.
    """
    place = root / archive.file
    url = f"{mirror.rstrip('/')}/{PurePosixPath(archive.file).name}" if mirror else archive.url
    with _alone(place):
        if archive.is_there(root):
            return
        if not place.exists():
            _download(url, place, tell)
        _check(archive, place)
        _unpack(archive, place, root)


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(place.with_name(place.name + ".lock"), timeout=0):
            yield
    except Timeout as error:
        raise UserError(f"{place} is being fetched by another process; wait for it") from error
    except OSError as error:
        raise UserError(f"{place} cannot be written: {error.strerror or error}") from error


def _download(url: str, place: Path, tell: Tell) -> None:
    part, state = place.with_name(place.name + ".part"), place.with_name(place.name + ".state")
    before = -1

    def is_stuck(attempt: tenacity.RetryCallState) -> bool:
        nonlocal before
        there = _size(part)
        if there > before:
            before, attempt.attempt_number = there, 1
        return attempt.attempt_number >= TRIES

    try:
        tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_Lost),
            stop=is_stuck,
            wait=tenacity.wait_exponential(multiplier=0.2, max=20),
            reraise=True,
        )(_transfer, url, part, state, tell)
    except _Lost as error:
        raise UserError(
            f"{url} broke off {TRIES} times without a byte ({error}); {_size(part)} bytes are kept, the same command "
            "goes on"
        ) from error
    except _Unreachable as error:
        raise UserError(f"{url} cannot be had ({error})") from error
    part.replace(place)
    state.unlink(missing_ok=True)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _transfer(url: str, part: Path, state: Path, tell: Tell) -> None:
    """One try: what is missing of the file, or all of it where it changed or the server cannot go on."""
    there, known = _size(part), _known(state)
    request = urllib.request.Request(url, headers={"User-Agent": "dta-bench"})
    if there and known.get("url") == url and known.get("version"):
        request.add_header("Range", f"bytes={there}-")
        request.add_header("If-Range", known["version"])
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE if there else CONNECTING) as answer:
            goes_on = answer.status == http.client.PARTIAL_CONTENT
            there = there if goes_on else 0
            length = int(answer.headers.get("Content-Length") or 0)
            total = there + length if length else 0
            _make_room(part, length)
            version = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
            state.write_text(json.dumps({"url": url, "version": version}), encoding="utf-8")
            _copy(answer, part, there, total, tell)
    except urllib.error.HTTPError as error:
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.unlink(missing_ok=True)
            raise _Lost("the server has another file now") from error
        if error.code >= 500 or error.code == http.client.TOO_MANY_REQUESTS:
            raise _Lost(f"the server answers {error.code}") from error
        raise _Unreachable(f"the server answers {error.code} {error.reason}") from error
    except (urllib.error.URLError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise (_Lost if there else _Unreachable)(str(reason)) from error
    except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
        raise _Lost(type(error).__name__) from error


def _copy(answer: Any, part: Path, there: int, total: int, tell: Tell) -> None:
    with part.open("r+b" if there else "wb") as file:
        file.seek(there)
        while block := answer.read1(BLOCK):
            file.write(block)
            there += len(block)
            tell(part.name.removesuffix(".part"), there, total)
    if total and there < total:
        raise _Lost(f"{there} of {total} bytes came")


def _known(state: Path) -> dict[str, str]:
    try:
        found = json.loads(state.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _make_room(part: Path, length: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if free < length + HEADROOM:
        raise UserError(f"{part.parent} has {free >> 20} MiB free, but {length >> 20} MiB are to come; make room")


def md5(path: Path) -> str:
    """The MD5 of a file, in hexadecimal: what these sets' owners publish; it finds torn files, not forged ones."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _check(archive: Archive, place: Path) -> None:
    if not archive.md5:
        return
    found = md5(place)
    if found != archive.md5:
        place.unlink()
        raise UserError(f"{place} came with MD5 {found}, expected {archive.md5}; it was removed, run the command again")


def _unpack(archive: Archive, place: Path, root: Path) -> None:
    if not archive.unpack:
        return
    try:
        if archive.unpack == "gzip":
            _gunzip(place)
        else:
            _untar(place, root / archive.into)
    except (tarfile.TarError, gzip.BadGzipFile, EOFError) as error:
        place.unlink()
        raise UserError(f"{place} cannot be unpacked ({error}); it was removed, run the command again") from error
    place.unlink()


def _gunzip(place: Path) -> None:
    fresh = place.with_suffix(".unpacking")
    with gzip.open(place) as packed, fresh.open("wb") as file:
        shutil.copyfileobj(packed, file)
    fresh.replace(place.with_suffix(""))


def _untar(place: Path, into: Path) -> None:
    """Beside where it belongs, then moved there: a folder that is there is whole. Members cannot leave the folder."""
    fresh = into / f".unpacking-{place.name}"
    shutil.rmtree(fresh, ignore_errors=True)
    with tarfile.open(place) as packed:
        packed.extractall(fresh, filter="data")
    for made in fresh.iterdir():
        if (into / made.name).is_dir():
            shutil.rmtree(into / made.name)
        made.replace(into / made.name)
    fresh.rmdir()
