"""Results that add up: an archive of one store merges into another, is checked, and hides no disagreement."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_runs import spec_of
from stored_runs import finish

from dta_bench.errors import UserError
from dta_bench.report.archive.manifest import MANIFEST, RUNS, VERSION, read_manifest, sha256_of
from dta_bench.report.archive.merge import merge_archives
from dta_bench.report.archive.names import benchmarks_of
from dta_bench.report.archive.write import SCHEMA, write_archive
from dta_bench.report.build import build_report
from dta_bench.tracking import Tracker
from dta_bench.tracking.class_record import ClassRow
from dta_bench.tracking.store_file import sqlite_uri


def tracker_of(folder: Path) -> Tracker:
    folder.mkdir(exist_ok=True)
    return Tracker(sqlite_uri(folder / "mlflow.db"), folder)


@pytest.fixture
def store(finished_store: Path, tmp_path: Path) -> Tracker:
    """A store with a run of dta and one of source_only."""
    shutil.copytree(finished_store, tmp_path / "store")
    return tracker_of(tmp_path / "store")


@pytest.fixture
def archive(store: Tracker, tmp_path: Path) -> Path:
    write_archive(store, ["fonts_digits"], tmp_path / "archive", "lab A", "CC-BY-4.0")
    return tmp_path / "archive"


def rewrite(archive: Path, change: Any) -> None:
    """Change the rows of an archive, and its hash with them."""
    rows = pq.read_table(archive / RUNS).to_pylist()
    for row in rows:
        change(row)
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), archive / RUNS)
    manifest = json.loads((archive / MANIFEST).read_text())
    (archive / MANIFEST).write_text(json.dumps(manifest | {"sha256": sha256_of(archive / RUNS)}))


def test_a_merged_archive_gives_the_report_of_the_store_that_it_was_made_of(
    store: Tracker, archive: Path, tmp_path: Path
) -> None:
    other = tracker_of(tmp_path / "other")
    merged = merge_archives([archive], other)
    assert (merged.added, merged.duplicates, merged.disagreements) == ({"lab A": 2}, {}, [])
    ours, theirs = (build_report(one, "fonts_digits", None) for one in (store, other))
    assert ours.test == theirs.test
    assert [row.test for row in ours.leaderboard] == [row.test for row in theirs.leaderboard]
    assert ours.subset == theirs.subset


def test_how_classes_fared_by_epoch_goes_along(store: Tracker, tmp_path: Path) -> None:
    row = ClassRow(4, "seven", 10, 90.0, "nine", 10.0, 9.5)
    store.open_run(spec_of(seed=1), None, "dta", set(), {}).log_classes([row], "recall")
    finish(store, spec_of(seed=1), 0.8)
    write_archive(store, ["fonts_digits"], tmp_path / "archive", "lab A", "CC-BY-4.0")
    other = tracker_of(tmp_path / "other")
    merge_archives([tmp_path / "archive"], other)
    (found,) = [curves for run in other.runs("fonts_digits") if (curves := other.class_curves(run))]
    assert found.rows == [row]


def test_merging_again_adds_nothing_and_counts_the_duplicates(archive: Path, tmp_path: Path) -> None:
    other = tracker_of(tmp_path / "other")
    merge_archives([archive], other)
    again = merge_archives([archive], other)
    assert (again.added, again.duplicates) == ({}, {"lab A": 2})
    assert len(other.runs("fonts_digits")) == 2


def test_two_labs_that_disagree_on_one_identity_are_both_shown_and_the_first_stays(
    archive: Path, tmp_path: Path
) -> None:
    other = tracker_of(tmp_path / "other")
    merge_archives([archive], other)
    before = {run.run_id: run.metrics for run in other.runs("fonts_digits")}

    def better(row: dict[str, Any]) -> None:
        curves = json.loads(row["curves"])
        curves["test/accuracy"][1][-1] += 1
        row["curves"] = json.dumps(curves)

    rewrite(archive, better)
    found = merge_archives([archive], other).disagreements
    assert {one["run_id"] for one in found} == set(before)
    for one in found:
        ours, theirs = one["scores"]["test/accuracy"]
        assert theirs == pytest.approx(ours + 1)
        assert (one["kept"], one["other"]) == ("lab A", "lab A")
    assert {run.run_id: run.metrics for run in other.runs("fonts_digits")} == before


def test_an_archive_names_no_host_no_command_and_no_folder_of_its_maker(archive: Path, tmp_path: Path) -> None:
    rows = pq.read_table(archive / RUNS).to_pylist()
    written = json.dumps([{key: str(value) for key, value in row.items()} for row in rows])
    assert str(tmp_path) not in written + (archive / MANIFEST).read_text()
    assert all(not {"command", "host"} & json.loads(row["tags"]).keys() for row in rows)
    assert all("data_fingerprint" in json.loads(row["tags"]) for row in rows)


def start_from(store: Tracker, weights: str, fingerprint: str) -> None:
    """Let the first run have started from a file of weights."""
    from mlflow.tracking import MlflowClient

    first, client = store.runs("fonts_digits")[0], MlflowClient(store.uri)
    spec = dataclasses.replace(first.spec, weights=weights)
    tags = {"spec": json.dumps(spec.to_dict()), "run_id": spec.id, "weights_fingerprint": fingerprint}
    for key, value in tags.items():
        client.set_tag(first.mlflow_run_id, key, value)


def test_weights_from_a_file_are_published_by_their_contents_and_not_by_their_place(
    store: Tracker, tmp_path: Path
) -> None:
    start_from(store, "/home/me/weights.pth", "0123456789ab")
    write_archive(store, ["fonts_digits"], tmp_path / "archive", "lab A", "CC0-1.0")
    rows = pq.read_table(tmp_path / "archive" / RUNS).to_pylist()
    assert "/home/me" not in json.dumps([str(row) for row in rows])
    assert sorted(json.loads(row["spec"])["weights"] for row in rows) == ["file:0123456789ab", "none"]
    other = tracker_of(tmp_path / "other")
    assert merge_archives([tmp_path / "archive"], other).added == {"lab A": 2}
    assert {run.spec.weights for run in other.runs("fonts_digits")} == {"file:0123456789ab", "none"}


def test_a_store_with_the_same_weights_at_another_place_has_the_same_runs(store: Tracker, tmp_path: Path) -> None:
    shutil.copytree(tmp_path / "store", tmp_path / "theirs")
    theirs = tracker_of(tmp_path / "theirs")
    start_from(store, "/home/me/weights.pth", "0123456789ab")
    start_from(theirs, "/data/w.pth", "0123456789ab")
    write_archive(theirs, ["fonts_digits"], tmp_path / "archive", "lab B", "CC0-1.0")
    merged = merge_archives([tmp_path / "archive"], store)
    assert (merged.added, merged.duplicates, merged.disagreements) == ({}, {"lab B": 2}, [])


def test_a_run_from_weights_that_nobody_knows_is_left_out_and_counted(store: Tracker, tmp_path: Path) -> None:
    start_from(store, "/home/me/weights.pth", "")
    manifest = write_archive(store, ["fonts_digits"], tmp_path / "archive", "lab A", "CC0-1.0")
    assert manifest.left_out == {"with weights from a file whose contents are not known": 1}
    assert manifest.runs == 1


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: (folder / MANIFEST).unlink(), "is no archive of results"),
        (lambda folder: (folder / MANIFEST).write_text("{}"), "is of schema version None"),
        (lambda folder: (folder / RUNS).unlink(), f"lacks {RUNS}"),
        (lambda folder: (folder / RUNS).write_bytes(b"no parquet"), "has SHA-256"),
        (lambda folder: rewrite(folder, lambda row: row.update(spec="{}")), "row 1 is no run"),
        (lambda folder: rewrite(folder, lambda row: row.update(run_id="0" * 12)), "but its spec is of run"),
        (lambda folder: rewrite(folder, lambda row: row.update(predictions=b"pickle")), "row 1 is no run"),
    ],
)
def test_an_archive_that_is_damaged_is_refused_in_one_sentence_and_adds_nothing(
    archive: Path, tmp_path: Path, damage: Any, said: str
) -> None:
    damage(archive)
    other = tracker_of(tmp_path / "other")
    with pytest.raises(UserError) as refused:
        merge_archives([archive], other)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert other.runs("fonts_digits") == []


def test_a_folder_with_something_else_in_it_is_not_written_to(store: Tracker, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/thesis.tex").touch()
    with pytest.raises(UserError, match=r"full holds thesis.tex, which is no part of an archive"):
        write_archive(store, ["fonts_digits"], tmp_path / "full", "lab A", "CC-BY-4.0")


def test_a_store_without_finished_runs_has_nothing_to_publish(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no finished run to publish"):
        write_archive(tracker_of(tmp_path / "empty"), ["fonts_digits"], tmp_path / "archive", "lab A", "CC-BY-4.0")


def test_the_manifest_says_who_what_and_under_which_licence(archive: Path) -> None:
    manifest = read_manifest(archive)
    assert (manifest.name, manifest.licence, manifest.runs) == ("lab A", "CC-BY-4.0", 2)
    assert manifest.benchmarks == {"fonts_digits": 2}
    assert manifest.schema_version == VERSION


def test_a_name_stands_for_the_pairs_of_a_suite_or_for_the_benchmark_of_a_search_space() -> None:
    assert benchmarks_of("compare_digits") == benchmarks_of("digits") == ["digits"]
    assert "pacs.photo-to-sketch" in benchmarks_of("pacs")
    with pytest.raises(UserError, match="there is no benchmark named 'nothing'"):
        benchmarks_of("nothing")
