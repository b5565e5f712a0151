"""Download files from their owners or a mirror: resume broken downloads, check MD5s, and unpack archives."""

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
from dta_bench.errors.credentials import mask

READ_TIMEOUT = 20.0  # seconds without a byte after which a connection counts as lost
CONNECT_TIMEOUT = 5.0  # seconds for the first answer, so that a machine without a network says so soon
MAX_FRUITLESS_TRIES = 6  # tries in a row that bring no byte
BLOCK = 1 << 18  # bytes read at a time
SPARE_SPACE = 64 << 20  # bytes that must stay free on the disk
OnProgress = Callable[[str, int, int], None]
"""Called with a file's name, the bytes that are there, and those of the whole file (0: the server does not say)."""


@dataclass(frozen=True)
class Archive:
    """A file to download, and the files that it contains. An archive is removed once it is unpacked.

    Args:
        url: where its owner offers it.
        file: its path under the data root.
        md5: its MD5, if its owner publishes one.
        unpack: how it is packed; empty if it is not. A ``gzip`` file is unpacked beside itself, without its suffix.
        into: the folder under the data root that a ``tar`` is unpacked into.
        gives: path under the data root → MD5 (or ``""``) of each file or folder that it contains.
    """

    url: str
    file: str
    md5: str = ""
    unpack: Literal["", "gzip", "tar"] = ""
    into: str = ""
    gives: dict[str, str] = field(default_factory=dict)

    def is_present(self, root: Path) -> bool:
        """Whether all that it contains lies under the data root."""
        return all((root / path).exists() for path in self.gives or {self.file: ""})


class _ConnectionLost(Exception):
    """The connection broke; the bytes that came are kept, and another try may help."""


class _Unavailable(Exception):
    """No server answered, or it does not have the file; another try will not help."""


def fetch(archive: Archive, root: Path, mirror: str | None = None, on_progress: OnProgress = lambda *_: None) -> None:
    """Download a file, or the rest of it, check it and unpack it; do nothing if all that it contains is there.

    Args:
        archive: the file.
        root: the data root.
        mirror: a URL under which the file lies by its name; None: its owner's URL.
        on_progress: called after each block.

    Raises:
        UserError: there is no network, no such file or not enough space, or the file is not what its owner published.
    """
    path = root / archive.file
    url = f"{mirror.rstrip('/')}/{PurePosixPath(archive.file).name}" if mirror else archive.url
    with _locked(path):
        if archive.is_present(root):
            return
        if not path.exists():
            _download(url, path, on_progress)
        is_ours = _state_of(path).exists()
        _check(archive, path, is_ours)
        _unpack(archive, path, root, is_ours)
        _state_of(path).unlink(missing_ok=True)


def _state_of(path: Path) -> Path:
    """The file beside a download that says where it comes from; it stays until the download is checked and unpacked.

    A file without it was put there by the user, and is never removed.
    """
    return path.with_name(path.name + ".state")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keep other processes from downloading the same file."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(path.name + ".lock"), timeout=0):
            yield
    except Timeout as error:
        raise UserError(f"{path} is being fetched by another process; wait for it") from error
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}") from error


def _download(url: str, path: Path, on_progress: OnProgress) -> None:
    part, state = path.with_name(path.name + ".part"), _state_of(path)
    last_size = -1

    def is_stuck(attempt: tenacity.RetryCallState) -> bool:
        nonlocal last_size
        size = _size(part)
        if size > last_size:
            last_size, attempt.attempt_number = size, 1
        return attempt.attempt_number >= MAX_FRUITLESS_TRIES

    try:
        tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_ConnectionLost),
            stop=is_stuck,
            wait=tenacity.wait_exponential(multiplier=0.2, max=20),
            reraise=True,
        )(_transfer, url, part, state, on_progress)
    except _ConnectionLost as error:
        raise UserError(
            f"{url} broke off {MAX_FRUITLESS_TRIES} times without a new byte ({error}); {_size(part)} bytes are kept, "
            "run the same command again to go on"
        ) from error
    except _Unavailable as error:
        raise UserError(f"{url} cannot be downloaded ({error})") from error
    part.replace(path)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _transfer(url: str, part: Path, state: Path, on_progress: OnProgress) -> None:
    """Try once: download the rest of the file, or all of it if it has changed or the server cannot send a part."""
    size, last = _size(part), _read_state(state)
    request = urllib.request.Request(url, headers={"User-Agent": "dta-bench"})
    if size and last.get("url") == mask(url) and last.get("version"):
        request.add_header("Range", f"bytes={size}-")
        request.add_header("If-Range", last["version"])
    try:
        with urllib.request.urlopen(request, timeout=READ_TIMEOUT if size else CONNECT_TIMEOUT) as answer:
            is_rest = answer.status == http.client.PARTIAL_CONTENT
            size = size if is_rest else 0
            length = int(answer.headers.get("Content-Length") or 0)
            total = size + length if length else 0
            _check_space(part, length)
            version = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
            state.write_text(json.dumps({"url": mask(url), "version": version}), encoding="utf-8")
            _copy(answer, part, size, total, on_progress)
    except urllib.error.HTTPError as error:
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.unlink(missing_ok=True)
            raise _ConnectionLost("the server has another file now") from error
        if error.code >= 500 or error.code == http.client.TOO_MANY_REQUESTS:
            raise _ConnectionLost(f"the server answers {error.code}") from error
        raise _Unavailable(f"the server answers {error.code} {error.reason}") from error
    except (urllib.error.URLError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise (_ConnectionLost if size else _Unavailable)(str(reason)) from error
    except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
        raise _ConnectionLost(type(error).__name__) from error


def _copy(answer: Any, part: Path, size: int, total: int, on_progress: OnProgress) -> None:
    """Append the answer to the first ``size`` bytes of the file."""
    with part.open("r+b" if size else "wb") as file:
        file.seek(size)
        while block := answer.read1(BLOCK):
            file.write(block)
            size += len(block)
            on_progress(part.name.removesuffix(".part"), size, total)
    if total and size < total:
        raise _ConnectionLost(f"{size} of {total} bytes arrived")


def _read_state(state: Path) -> dict[str, str]:
    """URL and version of the file that the last try was downloading; empty if there was none."""
    try:
        content = json.loads(state.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _check_space(part: Path, length: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if free < length + SPARE_SPACE:
        raise UserError(f"{part.parent} has {free >> 20} MiB free, but {length >> 20} MiB are needed; make room")


def md5(path: Path) -> str:
    """The MD5 of a file in hexadecimal, which data sets' owners publish; it detects damaged files, not forged ones."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _check(archive: Archive, path: Path, is_ours: bool) -> None:
    if not archive.md5:
        return
    actual = md5(path)
    if actual != archive.md5:
        raise UserError(f"{path} was downloaded with MD5 {actual}, expected {archive.md5}; {_discard(path, is_ours)}")


def _discard(path: Path, is_ours: bool) -> str:
    """Remove a bad file that was downloaded; says what became of it, and what to do."""
    if not is_ours:
        return "it was there before, so it stays: move it away, and run the command again to download it"
    path.unlink()
    _state_of(path).unlink(missing_ok=True)
    return "it was removed, run the command again"


def _unpack(archive: Archive, path: Path, root: Path, is_ours: bool) -> None:
    if not archive.unpack:
        return
    try:
        if archive.unpack == "gzip":
            _gunzip(path)
        else:
            _untar(path, root / archive.into)
    except (tarfile.TarError, gzip.BadGzipFile, EOFError) as error:
        raise UserError(f"{path} cannot be unpacked ({error}); {_discard(path, is_ours)}") from error
    if is_ours:
        path.unlink()


def _gunzip(path: Path) -> None:
    unfinished = path.with_suffix(".unpacking")
    with gzip.open(path) as packed, unfinished.open("wb") as file:
        shutil.copyfileobj(packed, file)
    unfinished.replace(path.with_suffix(""))


def _untar(path: Path, into: Path) -> None:
    """Unpack into a temporary folder and move the result, so that a folder under its final name is complete.

    The filter refuses members that lie outside the folder.
    """
    unfinished = into / f".unpacking-{path.name}"
    shutil.rmtree(unfinished, ignore_errors=True)
    with tarfile.open(path) as packed:
        packed.extractall(unfinished, filter="data")
    for member in unfinished.iterdir():
        if (into / member.name).is_dir():
            raise UserError(
                f"{into / member.name} is there already, and not complete; move it away, and run the command again"
            )
        member.replace(into / member.name)
    unfinished.rmdir()
