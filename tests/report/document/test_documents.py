"""The public JSON files: read back as they were written, strict about keys, and all that a form is drawn from."""

import json
from pathlib import Path

import pytest
from small_runs import spec_of
from stored_runs import Runs, classes_of, finish, markdown_of, report_of, screen_of

from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.errors import UserError
from dta_bench.report.build import build_report
from dta_bench.report.document.frozen_record import read
from dta_bench.report.document.paper_table import PaperTable
from dta_bench.report.document.replay import Replay
from dta_bench.report.document.report import Report
from dta_bench.report.files import write_report
from dta_bench.report.html.page import html, markdown
from dta_bench.report.html.report_page import report_page
from dta_bench.report.paper.render import paper_page
from dta_bench.report.paper.tables import paper_table, write_paper
from dta_bench.spec.benchmark import Benchmark
from dta_bench.tracking import Tracker

REPLAY = Path(__file__).parents[3] / "reports" / "replay.json"
MAIN_KEYS = {
    "schema_version", "benchmark", "source", "target", "headline", "rule", "runs", "left_out", "compared",
    "too_few_seeds", "subset", "selected", "validation", "inflation", "regret", "test", "source_only", "target_only",
    "difference", "comparisons", "leaderboard", "collapsed", "failed", "stopped", "unfinished", "whole", "unreadable",
    "old_fingerprints", "published", "training", "provenance", "mixed_code", "newer_runs", "repeated_runs",
    "unverified_data", "confirmation", "untested", "target_labels", "lost_classes", "disagreements",
}  # fmt: skip
DETAIL_KEYS = {
    "refused_specs", "link", "curves", "other_curves", "other_classes", "confusion", "cost", "ended", "commands",
}  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Tracker:
    """A store with two configurations, source-only beside them, and a failed run."""
    out = tmp_path_factory.mktemp("store")
    tracker = Tracker(f"sqlite:///{out / 'mlflow.db'}", out)
    tracker.check()
    tracker.experiment(benchmark_of("fonts_digits"))
    for seed in (0, 1):
        finish(tracker, spec_of(seed=seed, lambda_2=0.01, delta_c=0.05), 0.8)
        finish(tracker, spec_of(seed=seed, lambda_2=0.02, delta_c=0.01), 0.7)
        finish(tracker, spec_of("source_only", seed=seed), 0.5)
    tracker.open_run(spec_of(seed=5), None, "the failed one", set(), {}).fail("loss/vat stopped being finite")
    return tracker


@pytest.fixture(scope="module")
def report(store: Tracker) -> Report:
    return build_report(store, "fonts_digits", "labels")


def written(report: Report, folder: Path) -> Report:
    write_report(report, folder)
    return read(Report, folder / "report.json")


def test_a_report_is_read_back_as_it_was_written(report: Report, tmp_path: Path) -> None:
    again = written(report, tmp_path)
    assert again == report
    assert again.json_object() == report.json_object() == json.loads((tmp_path / "report.json").read_text())


def test_every_form_is_drawn_from_the_report_that_was_read_back(report: Report, tmp_path: Path) -> None:
    again = written(report, tmp_path)
    assert html(report_page(again)) == (tmp_path / "report.html").read_text()
    assert markdown_of(again) == (tmp_path / "report.md").read_text()
    assert screen_of(again) == screen_of(report)


def test_a_report_has_its_version_and_the_keys_that_programs_are_promised(report: Report) -> None:
    assert report.json_object().keys() == MAIN_KEYS | DETAIL_KEYS
    assert report.json_object()["schema_version"] == 2


def test_a_part_that_was_not_run_has_no_key_and_what_is_not_known_is_null(digits_benchmark: Benchmark) -> None:
    runs = Runs()
    runs.sweep("dta", [0.8])
    found = report_of(runs, classes_of(digits_benchmark)).json_object()
    assert found.keys() == MAIN_KEYS
    assert found["source_only"] is None
    assert "miou" not in found["test"]
    assert "weights" in found["selected"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"schema_version": 1}, "schema_version: Input should be 2"),
        ({"leader_board": []}, "leader_board: Extra inputs are not permitted"),
        ({"subset": {"size": 1}}, "subset.seed: Field required"),
    ],
)
def test_what_is_no_such_document_is_refused_in_one_sentence(
    report: Report, tmp_path: Path, change: dict[str, object], reason: str
) -> None:
    path = tmp_path / "report.json"
    path.write_text(json.dumps(report.json_object() | change))
    with pytest.raises(UserError) as refused:
        read(Report, path)
    assert str(refused.value).startswith(f"{path} cannot be read by this version of dta-bench ({reason})")
    assert "\n" not in str(refused.value)


def test_a_torn_file_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "replay.json").write_text('{"name": ')
    with pytest.raises(UserError, match=r"replay.json cannot be read by this version of dta-bench"):
        read(Replay, tmp_path / "replay.json")


def test_the_replay_that_was_kept_before_versions_is_read_and_written_as_it_is() -> None:
    kept = json.loads(REPLAY.read_text())
    assert read(Replay, REPLAY).json_object() == kept | {"schema_version": 1}


def test_a_table_of_the_paper_is_drawn_from_what_was_read_back(tmp_path: Path) -> None:
    table = paper_table(Tracker(f"sqlite:///{tmp_path / 'none.db'}", tmp_path), "table5")
    write_paper(table, tmp_path)
    again = read(PaperTable, tmp_path / "table5.json")
    assert again == table
    assert markdown(paper_page(again)) == (tmp_path / "table5.md").read_text()
    assert again.json_object()["schema_version"] == 1


def test_a_configuration_has_one_label_in_every_form(report: Report) -> None:
    label = "dta lambda_2=0.01 delta_c=0.05"
    for text in (html(report_page(report)), markdown_of(report)):
        assert label in text
    on_screen = " ".join(screen_of(report).replace("│", " ").split())
    assert "dta lambda_2=0.01" in on_screen
