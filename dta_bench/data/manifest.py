"""The result of ``dta-bench prepare``, in the file ``<root>/<benchmark>.prepared.json`` beside the data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def path_of(benchmark: str, root: Path) -> Path:
    """The file of a benchmark's result."""
    return root / f"{benchmark}.prepared.json"


def write(result: dict[str, Any], root: Path) -> bool:
    """Write a result of :func:`dta_bench.data.verify.inspect`.

    Returns:
        Whether it could be written; a data root may be read-only.
    """
    path = path_of(result["benchmark"], root)
    unfinished = path.with_suffix(".writing")
    try:
        root.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
        unfinished.replace(path)
    except OSError:
        return False
    return True


def read(benchmark: str, root: Path, fingerprint: str) -> dict[str, Any] | None:
    """Read the result for data with this fingerprint; None if there is none."""
    try:
        result = json.loads(path_of(benchmark, root).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return result if isinstance(result, dict) and result.get("fingerprint") == fingerprint else None


def unreadable(benchmark: str, root: Path, fingerprint: str) -> list[str] | None:
    """Ids of the images that could not be read; None if data with this fingerprint were not verified."""
    result = read(benchmark, root, fingerprint)
    return list(result["unreadable"]) if result and "unreadable" in result else None


def file_notes(benchmark: str, root: Path, fingerprint: str) -> list[str] | None:
    """What ``prepare`` said of the files; None if data with this fingerprint were not verified by this version."""
    result = read(benchmark, root, fingerprint)
    return list(map(str, result["file_notes"])) if result and "file_notes" in result else None
