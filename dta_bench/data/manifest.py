"""What ``dta-bench prepare`` found, kept beside the data as ``<root>/<benchmark>.prepared.json``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def path_of(benchmark: str, root: Path) -> Path:
    """Where it is kept."""
    return root / f"{benchmark}.prepared.json"


def write(found: dict[str, Any], root: Path) -> bool:
    """Keep what was found; whether that was possible (a root may be read-only)."""
    path = path_of(found["benchmark"], root)
    fresh = path.with_suffix(".writing")
    try:
        root.mkdir(parents=True, exist_ok=True)
        fresh.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        fresh.replace(path)
    except OSError:
        return False
    return True


def read(benchmark: str, root: Path, fingerprint: str) -> dict[str, Any] | None:
    """What was found of these very data, or None."""
    try:
        found = json.loads(path_of(benchmark, root).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("fingerprint") == fingerprint else None


def unreadable(benchmark: str, root: Path, fingerprint: str) -> list[str] | None:
    """Ids of images that could not be read; None where these data were not verified."""
    found = read(benchmark, root, fingerprint)
    return list(found["unreadable"]) if found and "unreadable" in found else None
