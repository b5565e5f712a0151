"""What an archive of results says of itself: the version of its schema, its file's hash, its licence."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from dta_bench.errors import UserError

MANIFEST, RUNS = "manifest.json", "runs.parquet"
VERSION = 1


class Manifest(BaseModel):
    """The file ``manifest.json`` of an archive.

    Attributes:
        kind: what the folder is.
        name: who it is, for people: it stands beside each of its runs after a merge.
        benchmarks: benchmark → how many runs.
        sha256: of ``runs.parquet``.
        left_out: why runs of the store are not in it → how many.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["dta-bench results"] = "dta-bench results"
    schema_version: int = VERSION
    name: str
    made_by: str
    licence: str
    runs: int
    benchmarks: dict[str, int]
    sha256: str
    left_out: dict[str, int]


def read_manifest(folder: Path) -> Manifest:
    """Read and check the manifest of an archive, and that its runs are the ones that it was written for.

    Raises:
        UserError: there is none, it is of another version, or the runs are not those that it names.
    """
    path = folder / MANIFEST
    try:
        stated = json.loads(path.read_text(encoding="utf-8"))
        version = stated.get("schema_version")
        if version != VERSION:
            raise UserError(f"{path} is of schema version {version}; this version of dta-bench reads {VERSION}")
        manifest = Manifest.model_validate(stated)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{folder} is no archive of results: {MANIFEST} cannot be read; make one with dta-bench publish"
        ) from error
    except (ValidationError, ValueError, AttributeError) as error:
        first = str(error).splitlines()[0]
        raise UserError(f"{path} is no manifest of an archive of results: {first}") from error
    runs = folder / RUNS
    if not runs.is_file():
        raise UserError(f"{folder} lacks {RUNS}, which {MANIFEST} names; get the archive again")
    if (found := sha256_of(runs)) != manifest.sha256:
        raise UserError(f"{runs} has SHA-256 {found[:12]}, its manifest says {manifest.sha256[:12]}; get it again")
    return manifest


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
