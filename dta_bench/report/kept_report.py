"""A report whose runs and code are as they were when it was made: it is read back instead of made again."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dta_bench import plugins
from dta_bench.cost.kept_counts import digest_of_code
from dta_bench.errors import UserError
from dta_bench.report.document import frozen_record
from dta_bench.report.document.report import Report
from dta_bench.tracking import CHOSEN_BY, Tracker

FILE = ".report.made-of"
"""The file beside a report with the digests of what it was made of, and of its own files."""
ENDINGS = ("json", "html", "md", "svg")


def digest_of_state(tracker: Tracker, benchmark: str, about: Sequence[Any]) -> str:
    """Digest of all that a report depends on: every run of the benchmark as it is stored, and the code.

    The tags of the runs that a rule chose are left out: a report sets them itself.

    Args:
        about: what else the report depends on, as plain values.
    """
    runs, refused = tracker.runs_and_unreadable(benchmark)
    of_runs = [
        [
            run.mlflow_run_id, run.run_id, run.name, run.status, run.artifact_uri, sorted(run.metrics.items()),
            sorted(item for item in run.tags.items() if not item[0].startswith(CHOSEN_BY)),
        ]
        for run in runs
    ]  # fmt: skip
    parts = [of_runs, refused, tracker.requested_confirmations(benchmark), _digest_of_plugins(benchmark), list(about)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def _digest_of_plugins(benchmark: str) -> str:
    """Digest of this package, of the benchmark's file, and of the search spaces, which name parameters."""
    spaces = [plugins.path("search_space", name) for name in plugins.names("search_space")]
    sets = [plugins.path("method_sets", name) for name in plugins.names("method_sets")]
    return digest_of_code([plugins.path("benchmark", benchmark), *spaces, *sets])


def note_state(folder: Path, state: str) -> None:
    """Note beside a report what it was made of; where that cannot be written, it is made again the next time."""
    with contextlib.suppress(OSError):
        (folder / FILE).write_text(json.dumps({"of": state, "files": _digest_of_files(folder)}), encoding="utf-8")


def read_unchanged(folder: Path, state: str) -> Report | None:
    """The report in a folder, if it was made of this state and its files are as they were written; else None."""
    try:
        noted = json.loads((folder / FILE).read_text(encoding="utf-8"))
        if noted == {"of": state, "files": _digest_of_files(folder)}:
            return frozen_record.read(Report, folder / "report.json")
    except (OSError, ValueError, UserError):
        pass
    return None


def _digest_of_files(folder: Path) -> str:
    contents = hashlib.sha256()
    for ending in ENDINGS:
        contents.update(hashlib.sha256((folder / f"report.{ending}").read_bytes()).digest())
    return contents.hexdigest()
