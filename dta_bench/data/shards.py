"""Data as a few large files, packed for object storage; a node fetches them, verifies them and unpacks them once."""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from dta_bench.domains.file_tree import read_tree
from dta_bench.errors import UserError

FORMAT = 1
MANIFEST = "shards.json"
DONE = ".shards.json"
"""A copy of the manifest, in the folder of the data; it is written last."""
SHARD_BYTES = 2**30
THREADS = 4


@dataclass(frozen=True)
class Shard:
    """One file with many: its name, its size, how many files it holds, and the SHA-256 of its bytes."""

    name: str
    bytes: int
    files: int
    sha256: str


def pack(root: Path, folder: Path, shard_bytes: int = SHARD_BYTES) -> list[Shard]:
    """Write all files under ``root``, but hidden ones and known junk, into shards of about ``shard_bytes`` each.

    The same files give the same bytes, whenever and by whomever they are packed.

    Args:
        folder: empty or not there; it gets the shards and their manifest.

    Raises:
        UserError: there is nothing to pack, the folder holds something, or a file cannot be read or written.
    """
    kinds = read_tree(root).kinds
    names = sorted(path for path, kind in kinds.items() if kind in ("image", "other"))
    if not names:
        raise UserError(f"there are no files under {root} to pack")
    if folder.is_dir() and any(folder.iterdir()):
        raise UserError(f"{folder} is not empty; give a folder for the shards alone")
    if folder.absolute().is_relative_to(root.absolute()):
        raise UserError(f"{folder} lies in {root}, which is to be packed; give a folder elsewhere")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shards = [
            _write(root, part, folder / f"shard-{number:05}.tar")
            for number, part in enumerate(_parts(root, names, shard_bytes))
        ]
        (folder / MANIFEST).write_text(json.dumps({"format": FORMAT, "shards": [asdict(s) for s in shards]}, indent=1))
    except OSError as error:
        raise UserError(f"{error.filename or folder} cannot be packed ({error.strerror})") from error
    return shards


def _parts(root: Path, names: Iterable[str], shard_bytes: int) -> Iterator[list[str]]:
    part, size = list[str](), 0
    for name in names:
        part.append(name)
        size += (root / name).stat().st_size
        if size >= shard_bytes:
            yield part
            part, size = [], 0
    if part:
        yield part


def _write(root: Path, names: list[str], path: Path) -> Shard:
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT, dereference=True) as tar:
        for name in names:
            with (root / name).open("rb") as file:
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode = os.fstat(file.fileno()).st_size, 0o644
                tar.addfile(entry, file)
    return Shard(path.name, path.stat().st_size, len(names), _sha256(path))


def unpack(folder: Path, root: Path) -> list[Shard]:
    """Verify shards and unpack them under ``root``, once for all processes of the machine.

    Returns: the shards; nothing is done if the same ones have been unpacked there before.

    Raises:
        UserError: there is no manifest, or a shard is missing or damaged; then nothing of it is unpacked.
    """
    text, shards = _manifest(folder)
    root.mkdir(parents=True, exist_ok=True)
    with FileLock(root / ".shards.lock"):
        done = root / DONE
        if done.is_file() and done.read_text(encoding="utf-8") == text:
            return shards
        done.unlink(missing_ok=True)
        with ThreadPoolExecutor(THREADS) as threads:
            list(threads.map(lambda shard: _unpack(folder, shard, root), shards))
        done.write_text(text, encoding="utf-8")
    return shards


def _manifest(folder: Path) -> tuple[str, list[Shard]]:
    path = folder / MANIFEST
    try:
        text = path.read_text(encoding="utf-8")
        stored: Any = json.loads(text)
        if stored["format"] != FORMAT:
            raise UserError(f"{path} has format {stored['format']}, and this dta-bench reads {FORMAT}")
        return text, [Shard(**shard) for shard in stored["shards"]]
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); 'dta-bench cluster pack-data' writes it") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is no list of shards; pack the data again") from error


def _unpack(folder: Path, shard: Shard, root: Path) -> None:
    path = folder / Path(shard.name).name
    try:
        there = _sha256(path)
        if there != shard.sha256:
            raise UserError(f"{path} is damaged: its SHA-256 is {there[:8]}…, not {shard.sha256[:8]}…; fetch it again")
        with tarfile.open(path) as tar:
            tar.extractall(root, filter="data")
    except OSError as error:
        raise UserError(f"{error.filename or path} cannot be unpacked ({error.strerror or error})") from error
    except tarfile.TarError as error:
        raise UserError(f"{path} cannot be unpacked ({error}); pack the data again") from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
