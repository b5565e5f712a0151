"""The report by fresh seeds: which figures are of confirmation runs, what is said where there are none."""

import contextlib
import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_runs import spec_of
from stored_runs import Runs, classes_of, markdown_of, report_of, screen_of

from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.report.configurations import StoredRun, group_runs
from dta_bench.report.document.report import Report
from dta_bench.report.headline_and_warnings import answer, warnings
from dta_bench.report.html import page
from dta_bench.report.html.report_page import report_page
from dta_bench.report.selection.compare_rules import all_rules
from dta_bench.report.selection.ranking import choices, rank
from dta_bench.report.selection.rules import RULES, Unavailable
from dta_bench.report.summary import summarise, uncertainty_of
from dta_bench.spec.benchmark import Benchmark

PARENT = {"mlflow.parentRunId": "sweep"}


@pytest.fixture
def runs() -> Runs:
    return Runs()


@pytest.fixture
def pair(digits_benchmark: Benchmark) -> Benchmark:
    return classes_of(digits_benchmark)


def confirm(runs: Runs, method: str, tests: list[float], **others: Any) -> None:
    """Confirmation runs of a configuration, one for each of ``tests``."""
    params = others.pop("params", {})
    for seed, test in enumerate(tests, start=1000):
        runs.add(spec_of(method, seed=seed, **params), test, **others)


def searched(runs: Runs) -> None:
    """Two points of dta and source-only, two seeds each: lambda_2 = 0.02 is chosen, at 80 % on its own seeds."""
    runs.sweep("dta", [0.6] * 2, subset=40, params={"lambda_2": 0.01})
    runs.sweep("dta", [0.8] * 2, subset=90, params={"lambda_2": 0.02})
    runs.sweep("source_only", [0.5] * 2)


def asked(runs: Runs, pair: Benchmark, confirm: int) -> Report:
    """The report of runs of one sweep that asked for confirmation runs."""
    tracked = [dataclasses.replace(run, tags=run.tags | PARENT) for run in runs.tracked]
    return summarise(pair, group_runs(runs, tracked), tracked, "labels", {"sweep": confirm})  # type: ignore[arg-type]


def test_headline_table_and_tests_are_of_the_confirmation_runs(runs: Runs, pair: Benchmark) -> None:
    searched(runs)
    confirm(runs, "dta", [0.7] * 3, params={"lambda_2": 0.02})
    confirm(runs, "source_only", [0.55] * 3)
    report = asked(runs, pair, 3)
    assert report.confirmation.model_dump() == {"seeds": [1000, 1001, 1002], "requested": 6, "done": 6}
    assert report.selected.params["lambda_2"] == 0.02
    assert report.selected.confirmed
    assert (report.test.seeds, report.source_only.seeds, report.difference.seeds) == (3, 3, 3)
    assert report.test.accuracy == pytest.approx(70, abs=2)
    assert report.source_only.accuracy == pytest.approx(55, abs=2)
    assert set(report.test.by_seed) == {"1000", "1001", "1002"}
    first, other, baseline = report.leaderboard
    assert (first.confirmed, other.confirmed, baseline.confirmed) == (True, False, True)
    assert (first.test, first.seeds) == (report.test.accuracy, 3)
    assert report.comparisons[0].seeds == 3
    assert report.comparisons[0].points == pytest.approx(report.difference.points)


def test_the_search_seeds_figures_stand_under_search(runs: Runs, pair: Benchmark) -> None:
    searched(runs)
    before = report_of(runs, pair)
    confirm(runs, "dta", [0.7] * 3, params={"lambda_2": 0.02})
    after = report_of(runs, pair)
    assert after.selected.search.test == after.leaderboard[0].search.test == before.test.accuracy
    assert after.selected.search.ci95 == before.test.ci95
    assert after.leaderboard[0].search.mlflow_run_ids == before.leaderboard[0].mlflow_run_ids
    assert (after.leaderboard[0].score, after.leaderboard[0].validation) == (90, 90)
    assert after.leaderboard[1].search is None


def test_without_confirmation_runs_every_form_says_on_the_seeds_that_chose_it(runs: Runs, pair: Benchmark) -> None:
    searched(runs)
    report = report_of(runs, pair)
    assert report.confirmation.model_dump() == {"seeds": [], "requested": 0, "done": 0}
    assert not report.selected.confirmed
    for said in forms(report):
        assert "on target test, on the seeds of the search" in said
        assert "fresh" not in said


def test_with_confirmation_runs_every_form_says_that_the_seeds_are_fresh(runs: Runs, pair: Benchmark) -> None:
    searched(runs)
    confirm(runs, "dta", [0.7] * 3, params={"lambda_2": 0.02})
    confirm(runs, "source_only", [0.55] * 3)
    report = report_of(runs, pair)
    for said in forms(report):
        assert "on target test, on fresh seeds, which had no part in choosing" in said
        assert "3 fresh" in said
        assert f"On the 2 seeds of the search it has {report.selected.search.test:.1f} % on target test" in said


def forms(report: Report) -> list[str]:
    """Terminal, HTML and Markdown."""
    return [" ".join(screen_of(report).split()), page.html(report_page(report)), markdown_of(report)]


def test_a_changed_choice_leaves_the_old_one_as_confirmed_earlier(runs: Runs, pair: Benchmark) -> None:
    searched(runs)
    confirm(runs, "dta", [0.99] * 3, params={"lambda_2": 0.01})
    confirm(runs, "source_only", [0.55] * 3)
    report = asked(runs, pair, 3)
    assert report.selected.params["lambda_2"] == 0.02  # 99 % on fresh seeds choose nothing
    assert not report.selected.confirmed
    assert (report.confirmation.requested, report.confirmation.done) == (6, 3)
    earlier = report.leaderboard[1]
    assert (earlier.confirmed, earlier.confirmed_earlier) == (True, True)
    assert not report.leaderboard[-1].confirmed_earlier
    for said in forms(report):
        assert "(confirmed earlier)" in said
        assert "Confirmed earlier, before another configuration of its method was chosen" in said
        assert "3 of 6 runs with fresh seeds are done" in said


def test_a_baseline_that_another_sweep_has_searched_is_asked_for_as_well(runs: Runs, pair: Benchmark) -> None:
    searched(runs)
    of_sweep = [run if run.spec.method == "source_only" else dataclasses.replace(run, tags=run.tags | PARENT)
                for run in runs.tracked]  # fmt: skip
    report = summarise(pair, group_runs(runs, of_sweep), of_sweep, "labels", {"sweep": 3})  # type: ignore[arg-type]
    assert report.confirmation.model_dump() == {"seeds": [1000, 1001, 1002], "requested": 6, "done": 0}


def test_fresh_seeds_are_never_set_against_seeds_that_chose(runs: Runs, pair: Benchmark) -> None:
    searched(runs)
    confirm(runs, "dta", [0.7] * 3, params={"lambda_2": 0.02})
    report = report_of(runs, pair)
    assert report.test.confirmed
    assert not report.source_only.confirmed
    assert (report.difference.confirmed, report.difference.seeds) == (False, 2)
    assert report.difference.points == pytest.approx(30, abs=2)
    assert "both on the seeds of the search, because source-only has no confirmation runs" in answer(report)


def test_a_method_without_confirmation_runs_is_left_out_of_tests_of_fresh_seeds_and_named(
    runs: Runs, pair: Benchmark
) -> None:
    searched(runs)
    runs.sweep("dann", [0.6] * 2)
    confirm(runs, "dta", [0.7] * 3, params={"lambda_2": 0.02})
    confirm(runs, "source_only", [0.55] * 3)
    report = report_of(runs, pair)
    assert [(one.first, one.second) for one in report.comparisons] == [("dta", "source_only")]
    assert report.untested == ["dann"]
    for said in forms(report):
        assert "Left out of these tests, because they have no runs with fresh seeds: dann" in said


def test_a_confirmation_run_that_failed_or_collapsed_is_named(runs: Runs, pair: Benchmark) -> None:
    searched(runs)
    confirm(runs, "dta", [0.7, 0.1], params={"lambda_2": 0.02})
    confirm(runs, "source_only", [0.5] * 3)
    runs.add(spec_of("dta", seed=1002, lambda_2=0.02), 0, status="FAILED", reason="loss/vat", name="the failed one")
    runs.tracked[-5] = dataclasses.replace(
        runs.tracked[-5], tags=runs.tracked[-5].tags | {"collapsed": "true"}, name="the collapsed one"
    )
    report = asked(runs, pair, 3)
    assert (report.confirmation.requested, report.confirmation.done) == (6, 5)
    assert report.leaderboard[0].collapsed == 1
    said = " ".join(warnings(report))
    assert "the failed one: loss/vat" in said
    assert "the collapsed one" in said
    assert "5 of 6 runs with fresh seeds are done" in said


class Unreadable(StoredRun):
    """A confirmation run that nobody may look at."""

    def __getattribute__(self, name: str) -> Any:
        raise AssertionError(f"a rule has read {name} of a confirmation run")


@pytest.mark.parametrize("rule", RULES)
def test_no_rule_reads_anything_of_a_confirmation_run(runs: Runs, rule: str) -> None:
    searched(runs)
    sealed = Unreadable(runs.tracked[0], lambda _: {})
    group = [dataclasses.replace(c, confirmation=(sealed,)) for c in group_runs(runs, runs.tracked)]  # type: ignore[arg-type]
    with contextlib.suppress(Unavailable):  # for runs of the search have stored no probes here
        assert len(choices([c for c, _ in rank(group, rule, "accuracy")])) == 2


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 100)), min_size=2, max_size=2))
@settings(max_examples=10)
def test_other_confirmation_results_change_no_rules_choice(results: list[tuple[float, float]]) -> None:
    def chosen(tests: list[tuple[float, float]]) -> list[Any]:
        runs = Runs()
        searched(runs)
        for point, (test, subset) in zip((0.01, 0.02), tests, strict=True):
            confirm(runs, "dta", [test], subset=subset, source=subset, sharpness=1, params={"lambda_2": point})
        configurations = group_runs(runs, runs.tracked)  # type: ignore[arg-type]
        rows = all_rules(configurations, "accuracy", uncertainty_of(configurations, "labels", "accuracy"))
        return [row.model_copy(update={"regret_ci95": None}) for row in rows]  # its width is no choice

    assert chosen(results) == chosen([(0.99, 99.0), (0.01, 1.0)])


def test_a_configuration_with_confirmation_runs_alone_is_no_configuration(runs: Runs) -> None:
    searched(runs)
    confirm(runs, "dta", [0.9], params={"lambda_2": 0.2})
    assert len(group_runs(runs, runs.tracked)) == 3  # type: ignore[arg-type]


def test_a_report_of_an_earlier_version_is_read_as_one_without_confirmation(runs: Runs) -> None:
    searched(runs)
    kept = report_of(runs, classes_of(benchmark_of("fonts_digits"))).json_object()
    del kept["confirmation"]
    for row in kept["leaderboard"]:
        del row["confirmed"], row["confirmed_earlier"], row["search"]
    del kept["selected"]["confirmed"], kept["selected"]["search"]
    assert Report.model_validate(kept).confirmation.requested == 0


def test_the_fresh_seeds_of_two_labs_are_those_that_were_run(runs: Runs, pair: Benchmark) -> None:
    searched(runs)
    confirm(runs, "source_only", [0.5] * 2)
    for seed in (1100, 1101):
        runs.add(spec_of("source_only", seed=seed), 0.5)
    assert asked(runs, pair, 2).confirmation.seeds == [1000, 1001, 1100, 1101]


def test_two_figures_of_source_only_are_told_apart(runs: Runs, pair: Benchmark) -> None:
    runs.sweep("dta", [0.6] * 2, subset=40, source=90, params={"lambda_2": 0.01})
    runs.sweep("dta", [0.8] * 2, subset=90, source=40, params={"lambda_2": 0.02})
    runs.sweep("source_only", [0.5] * 2)
    confirm(runs, "dta", [0.7] * 3, params={"lambda_2": 0.02})
    confirm(runs, "source_only", [0.4] * 3)
    said = " ".join(screen_of(report_of(runs, pair, "source")).split())
    assert "Source-only has two figures:" in said
    assert "beside dta, on the seeds of the search, because this configuration of dta has no runs with fresh" in said
    assert "lost against the best on target test, which only the test labels show (the oracle):" in said
    assert "has two figures" not in screen_of(report_of(runs, pair, "labels"))


def test_an_interval_without_width_has_a_word(runs: Runs, pair: Benchmark) -> None:
    runs.sweep("dta", [0.5])
    report = report_of(runs, pair)
    assert "over test images only" in " ".join(screen_of(report).split())
    assert "No width" not in screen_of(report)
    flat = [row.model_copy(update={"test": 10.0, "ci95": (10.0, 10.0)}) for row in report.leaderboard]
    said = " ".join(screen_of(report.model_copy(update={"leaderboard": flat})).split())
    assert "No width (dta): all images of a class are right, or all are wrong" in said
