"""Two labs ran one suite with different seeds: merged, their runs are one report, and disagreements are shown."""

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from drawn_suites import write_suite
from small_runs import spec_of
from stored_runs import finish

from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.data.suite_plugin import suite_plugin
from dta_bench.report.archive.merge import Merged, merge_archives
from dta_bench.report.archive.site import write_site
from dta_bench.report.archive.write import write_archive
from dta_bench.report.build import build_report
from dta_bench.report.suite.build import build_suite_report
from dta_bench.tracking import Tracker
from dta_bench.tracking.store_file import sqlite_uri

PAIR = "zoo.photo-to-ink"


def lab(folder: Path, runs: dict[int, float]) -> Tracker:
    """A store with runs of source_only; ``runs`` is seed → share of target test that is right."""
    shutil.copytree(folder.parent / "empty", folder)  # making a store takes longer than its runs
    tracker = Tracker(sqlite_uri(folder / "mlflow.db"), folder)
    tracker.experiment(benchmark_of(PAIR))
    for seed, rate in runs.items():
        finish(tracker, dataclasses.replace(spec_of("source_only", seed), benchmark=PAIR), rate)
    return tracker


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("labs")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_suite(folder)
        yield folder


@pytest.fixture(scope="module")
def both(here: Path) -> tuple[Merged, Tracker]:
    """A store with the archives of lab A, seeds 0 and 1, and of lab B, seeds 1 and 2; of seed 1 B has other scores."""
    (here / "empty").mkdir()
    Tracker(sqlite_uri(here / "empty/mlflow.db"), here / "empty").check()
    for name, runs in (("A", {0: 0.5, 1: 0.6}), ("B", {1: 0.7, 2: 0.55})):
        write_archive(lab(here / name, runs), [PAIR], here / f"of_{name}", f"lab {name}", "CC-BY-4.0")
    tracker = lab(here / "both", {})
    return merge_archives([here / "of_A", here / "of_B"], tracker), tracker


def test_the_report_of_a_suite_has_the_seeds_of_both(here: Path, both: tuple[Merged, Tracker]) -> None:
    merged, tracker = both
    assert merged.added == {"lab A": 2, "lab B": 1}
    found = build_suite_report(suite_plugin("zoo"), tracker, None, here / "data")
    assert found.pairs["photo -> ink"].methods["source_only"].seeds == 3
    assert found.average_seeds == {"source_only": 3}
    ours = [run.metrics["test/accuracy"] for run in tracker.runs(PAIR)]
    assert found.average["source_only"] == pytest.approx(sum(ours) / len(ours))


def test_a_run_that_two_labs_have_otherwise_is_shown_by_the_merge_and_by_each_report(
    here: Path, both: tuple[Merged, Tracker]
) -> None:
    merged, tracker = both
    (one,) = merged.disagreements
    assert (one["benchmark"], one["kept"], one["other"]) == (PAIR, "lab A", "lab B")
    (kept,) = (run for run in tracker.runs(PAIR) if run.spec.seed == 1)
    ours, theirs = one["scores"]["test/accuracy"]
    assert ours == kept.metrics["test/accuracy"] != theirs
    (disputed,) = build_report(tracker, PAIR, None).disagreements
    assert f"lab A and lab B have test/accuracy {ours:.8g} and {theirs:.8g}" in disputed
    notes = build_suite_report(suite_plugin("zoo"), tracker, None, here / "data").notes
    assert any("runs that have other scores in a merged archive: 1" in note for note in notes)


@pytest.mark.usefixtures("both")
def test_a_site_names_the_runs_that_its_archives_have_otherwise(here: Path) -> None:
    write_site([here / "of_A", here / "of_B"], here / "site")
    page = (here / "site/index.html").read_text()
    assert "Two archives have different scores for one run" in page
    assert f"{PAIR} source_only seed=1: lab A 60.75 %, lab B 70.25 %" in page
    write_site([here / "of_A"], here / "site")
    assert "other scores of one run" not in (here / "site/index.html").read_text()
