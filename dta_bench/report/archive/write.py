"""Write the finished runs of a store as an archive: one parquet file and a manifest, without paths or credentials."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import dta_bench
from dta_bench.errors import UserError
from dta_bench.errors.credentials import mask
from dta_bench.report.archive.manifest import MANIFEST, RUNS, Manifest, sha256_of
from dta_bench.report.archive.weights import published_spec
from dta_bench.tracking import TrackedRun, Tracker, class_record, standing_runs

TAGS = re.compile(
    "data_fingerprint|code_fingerprint|weights_fingerprint|commit|device|versions|subset_hash|collapsed|archive"
    "|note_label_subset|note_target_test|note_supervised|note_features|note_stacked"
)
"""The tags that an archive holds; others name machines, folders or commands."""
TEXTS = (class_record.CONFUSION, "label_subset.json", class_record.FILE)
PREDICTIONS = "predictions.npz"
SCHEMA = pa.schema(
    [
        ("run_id", pa.string()), ("benchmark", pa.string()), ("name", pa.string()), ("spec", pa.string()),
        ("tags", pa.string()), ("curves", pa.string()), ("texts", pa.string()), ("predictions", pa.binary()),
    ]
)  # fmt: skip


def write_archive(tracker: Tracker, benchmarks: Sequence[str], folder: Path, name: str, licence: str) -> Manifest:
    """Write the finished runs of some benchmarks.

    Weights from a file are named by their contents. Runs whose ids of images name a place on this machine are left out
    and counted.

    Args:
        folder: of the archive; made, or written anew where it holds one already.
        name: who publishes, for people.
        licence: of the results, as SPDX spells it.

    Raises:
        UserError: no run can be published, or the folder holds something else or cannot be written.
    """
    _check_folder(folder)
    left_out, rows = Counter[str](), list[dict[str, Any]]()
    for benchmark in benchmarks:
        for run in standing_runs(tracker.runs(benchmark))[0]:
            reason, row = _row(tracker, run)
            if row is None:
                left_out[reason] += 1
            else:
                rows.append(row)
    if not rows:
        why = "; ".join(f"{count} {reason}" for reason, count in left_out.items())
        raise UserError(f"there is no finished run to publish in {mask(tracker.uri)}{': ' + why if why else ''}")
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), folder / RUNS, compression="zstd")
    manifest = Manifest(
        name=name, made_by=f"dta-bench {dta_bench.__version__}", licence=licence, runs=len(rows),
        benchmarks=dict(Counter(row["benchmark"] for row in rows)), sha256=sha256_of(folder / RUNS),
        left_out=dict(left_out),
    )  # fmt: skip
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return manifest


def _check_folder(folder: Path) -> None:
    if folder.is_dir() and (others := [one.name for one in folder.iterdir() if one.name not in (MANIFEST, RUNS)]):
        raise UserError(f"{folder} holds {min(others)}, which is no part of an archive; name another folder with --to")
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is not a folder; name another one with --to")


def _row(tracker: Tracker, run: TrackedRun) -> tuple[str, dict[str, Any] | None]:
    """A run's row; None, and why, for one that is not published."""
    if run.status != "FINISHED":
        return "not finished", None
    if run.unknown_fields:
        return "of a newer version", None
    spec = published_spec(run.spec, run.tags)
    if spec is None:
        return "with weights from a file whose contents are not known", None
    with tracker.artifact(run, PREDICTIONS) as path:
        predictions = path.read_bytes()
        if _names_a_place(path):
            return "with images that are named by a place on this machine", None
    tags = {key: mask(value) for key, value in run.tags.items() if TAGS.fullmatch(key)}
    curves = tracker.history(run, list(run.metrics))
    return "", {
        "run_id": spec.id, "benchmark": run.spec.benchmark, "name": run.name,
        "spec": json.dumps(spec.to_dict(), sort_keys=True), "tags": json.dumps(tags, sort_keys=True),
        "curves": json.dumps(curves), "texts": json.dumps(_texts(tracker, run)), "predictions": predictions,
    }  # fmt: skip


def _names_a_place(predictions: Path) -> bool:
    """Whether an image's id is an absolute path."""
    with np.load(predictions, allow_pickle=False) as arrays:
        ids = [arrays[name] for name in arrays.files if name.endswith("_ids")]
    return any(str(one).startswith(("/", "~", "..")) for several in ids for one in several)


def _texts(tracker: Tracker, run: TrackedRun) -> dict[str, str]:
    return {name: tracker.read_text(run, name) for name in TEXTS if tracker.has_file(run, name)}
