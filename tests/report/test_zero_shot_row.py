"""Zero-shot stands beside the others: never chosen, in no test of pairs, complete with its one run."""

import pytest
from small_runs import spec_of
from stored_runs import finish

from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.report.build import build_report
from dta_bench.report.document.report import Report
from dta_bench.report.headline_and_warnings import warnings
from dta_bench.spec.seeds import confirmation_seeds
from dta_bench.tracking import Tracker

ACCURACY = {"source_only": 0.4, "mcc": 0.6, "dta": 0.5}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Zero-shot is the best of all rows."""
    folder = tmp_path_factory.mktemp("store")
    tracker = Tracker(f"sqlite:///{folder / 'mlflow.db'}", folder)
    tracker.check()
    tracker.experiment(benchmark_of("fonts_digits"))
    for method, accuracy in ACCURACY.items():
        for seed in (0, *confirmation_seeds(2)):
            finish(tracker, spec_of(method, seed), accuracy)
    finish(tracker, spec_of("zero_shot"), 0.95)
    return build_report(tracker, "fonts_digits", "labels")


def test_it_is_a_row_that_does_not_compete_however_good_it_is(report: Report) -> None:
    rows = {row.method: row for row in report.leaderboard}
    assert report.selected is not None
    assert report.selected.method == "mcc"
    assert not rows["zero_shot"].competes
    assert rows["zero_shot"].seeds == 1
    assert rows["zero_shot"].ci95 is not None
    assert rows["zero_shot"].difference is not None
    assert rows["zero_shot"].difference.over == "images"
    assert report.left_out == report.too_few_seeds == 0


def test_its_missing_seeds_are_neither_asked_for_nor_told_as_untested(report: Report) -> None:
    assert report.confirmation.done == 6
    assert report.untested == []
    assert "zero_shot" not in {name for pair in report.comparisons or [] for name in (pair.first, pair.second)}


def test_the_report_says_that_it_was_not_trained_and_by_which_prompts(report: Report) -> None:
    (said,) = [sentence for sentence in warnings(report) if "Zero-shot" in sentence]
    assert "not trained, neither on the source" in said
    assert '"a photo of a {}."' in said
