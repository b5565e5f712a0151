"""A report of several backbones says on each of them what adaptation gains over source-only."""

import dataclasses
import io
from pathlib import Path

from rich.console import Console
from small_runs import spec_of
from stored_runs import finish

from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.report.build import build_report
from dta_bench.report.by_backbone import by_backbone, sentence
from dta_bench.report.document.report import Report
from dta_bench.report.html.sections.backbones import backbones_section
from dta_bench.report.terminal.backbones import show_backbones
from dta_bench.tracking import Tracker

ACCURACY = {
    "conv3_fc2": {"source_only": 0.3, "mcc": 0.9, "target_only": 0.95},
    "conv9_fc1": {"source_only": 0.8, "mcc": 0.8},
}


def report_of(folder: Path, backbones: list[str], **others: float) -> Report:
    tracker = Tracker(f"sqlite:///{folder / 'mlflow.db'}", folder)
    tracker.check()
    tracker.experiment(benchmark_of("fonts_digits"))
    for backbone in backbones:
        for method, accuracy in (ACCURACY[backbone] | others).items():
            for seed in (0, 1, 2):
                finish(tracker, dataclasses.replace(spec_of(method, seed), backbone=backbone), accuracy)
    return build_report(tracker, "fonts_digits", "labels")


def test_each_backbone_has_its_own_gain_and_bounds(tmp_path: Path) -> None:
    report = report_of(tmp_path, [*ACCURACY])
    found = {one.backbone: one for one in by_backbone(report)}
    assert found.keys() == ACCURACY.keys()
    first, second = found["conv3_fc2"], found["conv9_fc1"]
    assert first.best.method == second.best.method == "mcc"
    assert first.best.difference is not None
    assert first.best.difference.points > 40
    assert sentence(first) == "it pays"
    assert sentence(second) == "not shown"
    assert [*first.beside] == ["target_only"]
    assert second.beside == {}
    section = backbones_section(report)
    assert section is not None
    assert [row[0].text for row in section.tables[0].rows] == [one.backbone for one in by_backbone(report)]
    console = Console(file=io.StringIO(), width=80)
    show_backbones(report, console)
    assert "it pays" in " ".join(console.file.getvalue().split())  # type: ignore[attr-defined]


def test_a_report_of_one_backbone_has_no_such_section(tmp_path: Path) -> None:
    report = report_of(tmp_path, ["conv9_fc1"])
    assert by_backbone(report) == []
    assert backbones_section(report) is None


def test_where_the_rule_ranks_the_neighbours_first_the_row_names_them(tmp_path: Path) -> None:
    report = report_of(tmp_path, [*ACCURACY], knn=0.97)
    assert report.leaderboard[0].method == "knn"
    (said,) = by_backbone(report)[0].ranked_above()
    assert said.startswith("the rule's first is knn (")
    console = Console(file=io.StringIO(), width=200)
    show_backbones(report, console)
    assert "knn" in console.file.getvalue()  # type: ignore[attr-defined]
