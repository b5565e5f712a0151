"""The report where target labels are missing: it says what is known, and invents no figure of target test."""

import dataclasses
import json

import numpy as np
import pytest
from small_runs import spec_of
from stored_runs import Runs, classes_of, markdown_of, report_of, screen_of

from dta_bench.errors import UserError
from dta_bench.report.configurations import group_runs
from dta_bench.report.document.report import Report
from dta_bench.report.document.without_test import Estimate
from dta_bench.report.headline_and_warnings import warnings
from dta_bench.report.selection.compare_rules import all_rules
from dta_bench.report.selection.default_rule import default_rule, mean_regrets
from dta_bench.report.selection.rules import LABEL_FREE
from dta_bench.report.summary import uncertainty_of
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.run_spec import LabelSubset

SITUATIONS = {"none": ("test", "validation"), "subset": ("test",), "test": ("validation",), "both": ()}
LEAD = "no labelled target test, so nothing says how good it is"


@pytest.fixture
def benchmark(digits_benchmark: Benchmark) -> Benchmark:
    return classes_of(digits_benchmark)


def runs_in(situation: str) -> Runs:
    """Three configurations, the second the most confident, of runs with the labels of a situation."""
    runs, unmeasured = Runs(), SITUATIONS[situation]
    subset = LabelSubset(size=40 if "validation" not in unmeasured else 0)
    for method, rate, sharpness in (("dta", 0.9, 4.0), ("mcc", 0.6, 9.0), ("source_only", 0.5, 3.0)):
        for seed in range(2):
            spec = dataclasses.replace(spec_of(method, seed=seed), label_subset=subset)
            runs.add(spec, rate, subset=100 * rate, source=97, sharpness=sharpness, unmeasured=unmeasured)
    return runs


def report_in(situation: str, benchmark: Benchmark, rule: str | None = None) -> Report:
    report: Report = report_of(runs_in(situation), benchmark, rule)
    return report


@pytest.mark.parametrize("situation", SITUATIONS)
def test_the_report_says_which_labels_the_runs_had(situation: str, benchmark: Benchmark) -> None:
    assert report_in(situation, benchmark).json_object()["target_labels"] == situation


@pytest.mark.parametrize("situation", ["none", "subset"])
def test_without_a_test_no_figure_of_it_stands_anywhere(situation: str, benchmark: Benchmark) -> None:
    found = report_in(situation, benchmark).json_object()
    assert [found[key] for key in ("test", "regret", "difference", "comparisons", "inflation")] == [None] * 5
    assert all(row["test"] is None and row["ci95"] is None for row in found["leaderboard"])
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize("situation", ["none", "subset"])
def test_without_a_test_every_form_leads_with_what_is_not_known(situation: str, benchmark: Benchmark) -> None:
    report = report_in(situation, benchmark)
    assert LEAD in " ".join(screen_of(report).split("held-out")[0].split())
    assert LEAD in markdown_of(report).split("##")[0]


@pytest.mark.parametrize(("accuracies", "is_told"), [((61.0, 67.4, 11.7), True), ((61.0, 67.4, 50.0), False)])
def test_estimates_that_contradict_each_other_are_told(
    accuracies: tuple[float, ...], is_told: bool, benchmark: Benchmark
) -> None:
    report = report_in("none", benchmark)
    assert report.without_test is not None
    estimates = [
        Estimate(name=str(i), published="ours", accuracy=one, bias=None, mean_error=None, worst_error=None)
        for i, one in enumerate(accuracies)
    ]
    known = report.without_test.model_copy(update={"estimates": estimates})
    said = " ".join(warnings(report.with_parts(without_test=known)))
    assert ("contradict each other: 11.7 to 67.4 %" in said) == is_told


def test_without_a_subset_the_best_rule_that_needs_no_label_chooses_and_says_so(benchmark: Benchmark) -> None:
    report = report_in("none", benchmark)
    assert report.rule == default_rule(has_subset=False, task="classification")
    assert report.rule in LABEL_FREE
    assert report.default_rule is not None
    assert "lost the fewest points on the pairs of ours where the truth is known" in markdown_of(report)


def test_with_a_subset_its_labels_choose(benchmark: Benchmark) -> None:
    report = report_in("subset", benchmark)
    assert report.rule == "labels"
    assert report.selected is not None
    assert report.selected.method == "dta"
    assert "they chose it, so that score is too high" in markdown_of(report)


def test_the_default_has_the_least_measured_regret() -> None:
    for task in ("classification", "segmentation"):
        regrets = mean_regrets(task)
        assert regrets[default_rule(has_subset=False, task=task)] == min(regrets.values())
        assert set(regrets) <= set(LABEL_FREE)


def test_the_rule_labels_is_refused_where_nobody_labelled_anything(benchmark: Benchmark) -> None:
    with pytest.raises(UserError, match="the rule labels chooses by labelled target images, and there are none"):
        report_in("none", benchmark, "labels")


def test_the_oracle_is_refused_where_there_is_no_test(benchmark: Benchmark) -> None:
    with pytest.raises(UserError, match="the oracle reads the labels of target test, and no labelled target test"):
        report_in("subset", benchmark, "oracle")


def test_rules_compared_without_a_test_choose_but_lose_nothing_that_is_known(benchmark: Benchmark) -> None:
    runs = runs_in("none")
    group = group_runs(runs, runs.tracked)  # type: ignore[arg-type]
    uncertainty = uncertainty_of(group, "entropy", benchmark.headline)
    rows = {row.rule: row for row in all_rules(group, benchmark.headline, uncertainty)}
    assert rows["labels"].selected is None
    assert rows["oracle"].selected is None
    assert rows["entropy"].selected is not None
    assert rows["entropy"].selected.method == "mcc"
    assert {row.test for row in rows.values()} == {row.regret for row in rows.values()} == {None}


def test_rules_compared_without_a_test_have_no_columns_of_what_nothing_is_known_of(benchmark: Benchmark) -> None:
    runs = runs_in("none")
    group = group_runs(runs, runs.tracked)  # type: ignore[arg-type]
    rules = all_rules(group, benchmark.headline, uncertainty_of(group, "entropy", benchmark.headline))
    report = report_in("none", benchmark).with_parts(rules=rules)
    screen = " ".join(screen_of(report).split())
    assert "Without a labelled target test none of these choices can be judged" in screen
    assert "regret, points" not in screen
    assert "| rule | chooses by | what it chose |\n" in markdown_of(report)


def test_the_score_on_held_out_source_says_of_how_many_images_and_why_it_has_no_interval(benchmark: Benchmark) -> None:
    report = report_in("none", benchmark)
    assert report.without_test is not None
    images = report.without_test.source_images
    said = f"{images} images of another domain, no interval as it tells nothing of the target"
    assert images
    assert said in " ".join(screen_of(report).split())
    assert said in markdown_of(report)


def test_predicted_shares_stand_beside_those_of_the_source(benchmark: Benchmark) -> None:
    known = report_in("none", benchmark).without_test
    assert known is not None
    assert sum(known.predicted_shares.values()) == pytest.approx(100)
    assert known.source_shares == pytest.approx(dict.fromkeys(map(str, range(10)), 10.0))
    assert known.rarely_predicted == []
    assert {"entropy", "information", "bnm", "snd", "classes_in_use"} <= set(known.label_free)


def test_with_a_test_alone_it_is_measured_and_a_label_free_rule_chooses(benchmark: Benchmark) -> None:
    report = report_in("test", benchmark)
    assert report.test is not None
    assert report.regret is not None
    assert report.validation is None
    assert report.subset is None
    assert report.rule in LABEL_FREE
    assert report.without_test is None
    assert "there is no labelled subset" in " ".join(screen_of(report).split())


def test_runs_of_a_benchmark_that_has_a_subset_today_come_before_older_ones_without(benchmark: Benchmark) -> None:
    runs = runs_in("none")
    for run in runs_in("both").tracked:
        runs.tracked.append(run)
    runs._arrays |= runs_in("both")._arrays
    assert report_of(runs, benchmark, None).target_labels == "both"
    unlabelled = dataclasses.replace(benchmark, label_budget=0)
    assert report_of(runs, unlabelled, None).target_labels == "none"


def test_a_class_that_is_rare_in_the_source_too_is_not_called_rarely_predicted(benchmark: Benchmark) -> None:
    runs = runs_in("none")
    labels = np.array([*np.zeros(1990), *np.ones(10)], dtype=np.int64)  # half a per cent of the second class
    for arrays in runs._arrays.values():
        arrays["target_train_logits"] = np.eye(10, dtype=np.float32)[labels]
        arrays["source_validation_labels"] = labels
    known = report_of(runs, benchmark, None).without_test
    assert known is not None
    assert known.rarely_predicted == []
