"""Add archives of others to a store: checked, duplicates counted, and disagreements on one identity shown."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dta_bench import plugins
from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.errors import UserError
from dta_bench.report.archive.manifest import RUNS, Manifest, read_manifest
from dta_bench.report.archive.weights import files_of, spec_here
from dta_bench.report.archive.write import SCHEMA, TAGS, TEXTS
from dta_bench.spec.run_spec import RunSpec
from dta_bench.tracking import DISAGREEMENT, TrackedRun, Tracker, standing_runs
from dta_bench.tracking.imported_runs import FinishedElsewhere
from dta_bench.tracking.ui_metadata import rounded

ARCHIVE = "archive"
"""The tag that says which archive a run comes from."""
FINGERPRINTS = ("data_fingerprint", "code_fingerprint", "weights_fingerprint")
SCORES = ("test/", "validation/", "source_validation/")


@dataclass
class Merged:
    """What a merge did.

    Attributes:
        added: archive → how many runs.
        duplicates: archive → how many runs that were there already, with the same scores.
        disagreements: of each run that was there with other scores: who has what.
        unknown: benchmark that this machine does not have → how many runs of it were left out.
    """

    added: dict[str, int] = field(default_factory=dict)
    duplicates: dict[str, int] = field(default_factory=dict)
    disagreements: list[dict[str, Any]] = field(default_factory=list)
    unknown: dict[str, int] = field(default_factory=dict)

    @property
    def notes(self) -> dict[str, str]:
        """Identity → the disagreements on it, in words."""
        notes: dict[str, str] = {}
        for one in self.disagreements:
            before = f"{notes[one['run_id']]}; " if one["run_id"] in notes else ""
            notes[one["run_id"]] = before + describe_disagreement(one)
        return notes


def merge_archives(folders: Sequence[Path], tracker: Tracker) -> Merged:
    """Add the runs of archives to a store; of a run that is there already the first one stays.

    A run on weights that runs of the store have from a file gets the identity that it has with this file.

    Raises:
        UserError: an archive cannot be read or holds a run that is not what it says; nothing is added then.
    """
    archives = [(folder, read_manifest(folder)) for folder in folders]
    rows = [(manifest, row) for folder, manifest in archives for row in read_rows(folder)]
    merged, known, files = Merged(), dict[str, dict[str, TrackedRun]](), dict[str, str]()
    for manifest, published in rows:
        benchmark = published.spec.benchmark
        if not plugins.is_benchmark(benchmark):
            merged.unknown[benchmark] = merged.unknown.get(benchmark, 0) + 1
            continue
        if benchmark not in known:
            tracker.experiment(benchmark_of(benchmark))
            known[benchmark] = {one.run_id: one for one in standing_runs(tracker.runs(benchmark))[0]}
            files |= files_of(known[benchmark].values())
        run = replace(published, spec=spec_here(published.spec, files))
        there = known[benchmark].get(run.spec.id)
        if there is not None and there.status == "FINISHED":
            _compare(there, run, manifest, merged)
            if note := merged.notes.get(there.run_id):
                tracker.tag(there, DISAGREEMENT, note)
            continue
        tags = {ARCHIVE: manifest.name} | dict(run.tags)
        added = FinishedElsewhere(run.spec, run.name, tags, run.curves, run.texts, run.predictions)
        mlflow_id = tracker.import_run(added)
        known[benchmark][run.spec.id] = _as_tracked(added, mlflow_id)
        merged.added[manifest.name] = merged.added.get(manifest.name, 0) + 1
    return merged


def describe_disagreement(one: Mapping[str, Any]) -> str:
    """Who has what, of a run that two archives, or an archive and a store, have with other scores or fingerprints."""
    ordered = sorted(one["scores"].items(), key=lambda item: not item[0].startswith("test/"))
    scores = [f"{key} {_spelled(ours)} and {_spelled(theirs)}" for key, (ours, theirs) in ordered[:1]]
    more = [f"{len(ordered) - 1} more scores differ"] if len(ordered) > 1 else []
    marks = [f"{key} differs" for key in one["fingerprints"]]
    return f"{one['kept']} and {one['other']} have {', '.join(scores + more + marks)}; that of {one['kept']} stays"


def _spelled(score: float | None) -> str:
    return "none" if score is None else f"{score:.8g}"


def read_rows(folder: Path) -> Iterator[FinishedElsewhere]:
    """The runs of an archive, each checked.

    Raises:
        UserError: the file has other columns, or a row is no run, or not the run that its identity names.
    """
    path = folder / RUNS
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path} is no parquet file: {str(error).splitlines()[0]}") from error
    if table.schema.names != SCHEMA.names:
        raise UserError(f"{path} has the columns {', '.join(table.schema.names)}; expected {', '.join(SCHEMA.names)}")
    for number, row in enumerate(table.to_pylist(), 1):
        yield _checked(row, f"{path} row {number}")


def _checked(row: dict[str, Any], where: str) -> FinishedElsewhere:
    try:
        spec, unknown = RunSpec.read_stored(json.loads(row["spec"]))
        tags, curves, texts = (json.loads(row[name]) for name in ("tags", "curves", "texts"))
        np.load(io.BytesIO(row["predictions"]), allow_pickle=False).close()
    except Exception as error:  # an archive may hold anything
        raise UserError(f"{where} is no run: {str(error).splitlines()[0] if str(error) else error!r}") from error
    if unknown:
        raise UserError(f"{where} has {', '.join(unknown)}, which a newer version of dta-bench wrote; update this one")
    if spec.id != row["run_id"]:
        raise UserError(f"{where} says it is run {row['run_id']}, but its spec is of run {spec.id}")
    own_tags = {str(key): str(value) for key, value in tags.items() if TAGS.fullmatch(str(key))}
    own_texts = {name: str(texts[name]) for name in TEXTS if name in texts}
    return FinishedElsewhere(spec, str(row["name"]), own_tags, curves, own_texts, row["predictions"])


def _compare(there: TrackedRun, run: FinishedElsewhere, manifest: Manifest, merged: Merged) -> None:
    """Count a duplicate, or note that two stores have different scores or fingerprints for one identity."""
    ours = {key: value for key, value in there.metrics.items() if key.startswith(SCORES)}
    theirs = {key: values[-1] for key, (_, values) in run.curves.items() if key.startswith(SCORES) and values}
    differing = {
        key: [ours.get(key), theirs.get(key)] for key in sorted(ours.keys() | theirs.keys())
        if _stored(ours.get(key)) != _stored(theirs.get(key)) and not key.startswith("test/class/")
    }  # fmt: skip
    marks = {
        key: [there.tags.get(key, ""), run.tags.get(key, "")] for key in FINGERPRINTS
        if there.tags.get(key, "") != run.tags.get(key, "")
    }  # fmt: skip
    if not differing and not marks:
        merged.duplicates[manifest.name] = merged.duplicates.get(manifest.name, 0) + 1
        return
    merged.disagreements.append(
        {
            "run_id": there.run_id, "benchmark": there.spec.benchmark, "name": there.name,
            "kept": there.tags.get(ARCHIVE, "this store"), "other": manifest.name, "scores": differing,
            "fingerprints": marks,
        }
    )  # fmt: skip


def _stored(value: float | None) -> float | None:
    """A score as it is stored today; earlier versions stored it with the noise of binary arithmetic."""
    return None if value is None else rounded(value)


def _as_tracked(run: FinishedElsewhere, mlflow_run_id: str) -> TrackedRun:
    last = {key: values[-1] for key, (_, values) in run.curves.items() if values}
    return TrackedRun(mlflow_run_id, run.spec.id, run.name, "FINISHED", run.spec, dict(run.tags), last, "", "")
