"""What trains nothing stands beside the others: never chosen, in no test of pairs, complete with its one run."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_runs import spec_of
from stored_runs import finish

from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.report.build import build_report
from dta_bench.report.document.report import Report
from dta_bench.report.headline_and_warnings import warnings
from dta_bench.spec.run_spec import RunSpec
from dta_bench.spec.seeds import confirmation_seeds
from dta_bench.tracking import Tracker

ACCURACY = {"source_only": 0.4, "mcc": 0.6, "dta": 0.5}


MINE = '''"""Prompts of my own."""

from dataclasses import dataclass

by_prompts = True


@dataclass(frozen=True)
class Params:
    """None."""


def loss(*_):
    """None."""
'''


def report_with(untrained: RunSpec, folder: Path) -> Report:
    """A report in which a method that trains nothing is the best of all rows."""
    tracker = Tracker(f"sqlite:///{folder / 'mlflow.db'}", folder)
    tracker.check()
    tracker.experiment(benchmark_of("fonts_digits"))
    for method, accuracy in ACCURACY.items():
        for seed in (0, *confirmation_seeds(2)):
            finish(tracker, spec_of(method, seed), accuracy)
    finish(tracker, untrained, 0.95)
    return build_report(tracker, "fonts_digits", "labels")


@pytest.fixture(scope="module", params=["zero_shot", "mine"])
def report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Report]:
    """With the shipped method that trains nothing, or with a user's own."""
    folder = tmp_path_factory.mktemp("store")
    (folder / "methods").mkdir()
    (folder / "methods" / "mine.py").write_text(MINE)
    untrained = spec_of("zero_shot")
    if request.param == "mine":
        untrained = dataclasses.replace(untrained, method="mine", params={})
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield report_with(untrained, folder)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """Of the method that trains nothing."""
    return str(request.node.callspec.params["report"])


def test_it_is_a_row_that_does_not_compete_however_good_it_is(report: Report, name: str) -> None:
    rows = {row.method: row for row in report.leaderboard}
    assert report.selected is not None
    assert report.selected.method == "mcc"
    assert not rows[name].competes
    assert rows[name].seeds == 1
    assert rows[name].ci95 is not None
    assert rows[name].difference is not None
    assert rows[name].difference.over == "images"
    assert report.left_out == report.too_few_seeds == 0


def test_its_missing_seeds_are_neither_asked_for_nor_told_as_untested(report: Report, name: str) -> None:
    assert report.confirmation.done == 6
    assert report.untested == []
    assert name not in {method for pair in report.comparisons or [] for method in (pair.first, pair.second)}


def test_the_report_says_that_it_was_not_trained_and_by_which_prompts(report: Report, name: str) -> None:
    (said,) = [sentence for sentence in warnings(report) if "was not trained" in sentence]
    assert said.startswith({"zero_shot": "Zero-shot", "mine": "Mine"}[name])
    assert "neither on the source" in said
    assert ('"a photo of a {}."' in said) == (name == "zero_shot")
