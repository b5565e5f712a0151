"""The effect of a parameter: means over the configurations with each of its values, with intervals over them."""

import numpy as np
import pytest
from scipy import stats
from stored_runs import Runs, classes_of, report_of

from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.report.html.sections.effects import _dots, effect_figures


def test_each_value_has_the_mean_of_its_configurations_and_the_interval_of_students_t() -> None:
    runs, scores = Runs(), {(0.01, 0.0): 0.5, (0.01, 0.2): 0.6, (0.02, 0.0): 0.8, (0.02, 0.2): 0.9}
    for (two, three), rate in scores.items():
        runs.sweep("dta", [rate], params={"lambda_2": two, "lambda_3": three})
    report = report_of(runs, classes_of(benchmark_of("fonts_digits")))
    rows = report.competing
    dots = _dots("lambda_2", rows, 1)
    assert [dot.name for dot in dots] == ["lambda_2=0.01", "lambda_2=0.02"]
    for dot, value in zip(dots, (0.01, 0.02), strict=True):
        own = [row.test or 0 for row in rows if row.params["lambda_2"] == value]
        low, high = stats.t.interval(0.95, 1, loc=np.mean(own), scale=stats.sem(own))
        assert dot.value == pytest.approx(np.mean(own))
        assert (dot.low, dot.high) == pytest.approx((low, high))
    (figure,) = effect_figures(report, rows)
    assert "of 4 configurations" in figure.caption


def test_a_few_configurations_have_no_figure_of_effects() -> None:
    runs = Runs()
    runs.sweep("dta", [0.5], params={"lambda_2": 0.01})
    runs.sweep("dta", [0.6], params={"lambda_2": 0.02})
    report = report_of(runs, classes_of(benchmark_of("fonts_digits")))
    assert effect_figures(report, report.competing) == []
