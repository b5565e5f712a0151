"""Printed tables of suites: typed as their source has them, and beside our averages only where these are alike."""

import numpy as np
import pytest

from dta_bench.data.suite_plugin import suite_plugin
from dta_bench.report.document.suite_report import PrintedRow, PrintedTable, SuitePairReport, SuiteReport, SuiteScore
from dta_bench.report.html.page import html
from dta_bench.report.suite.page import suite_page
from dta_bench.report.suite.printed import our_average, printed_tables

SUITES = ("office31", "office_home", "domainnet")
TABLES = [table for suite in SUITES for table in printed_tables(suite)]
TYPED_AGAIN = [  # from docs/dalib/benchmarks/image_classification.rst of thuml/Transfer-Learning-Library at 1cd7e04
    ("office31", "Source Only", "webcam -> dslr", 99.0), ("office31", "MDD", "webcam -> amazon", 72.2),
    ("office31", "BSP", "dslr -> amazon", 74.1), ("office_home", "MCC", "art -> product", 79.6),
    ("office_home", "CDAN", "real_world -> clipart", 61.0), ("office_home", "DAN", "clipart -> product", 63.8),
    ("domainnet", "JAN", "painting -> real", 59.9), ("domainnet", "MDD", "sketch -> clipart", 58.7),
    ("domainnet", "Source Only", "clipart -> painting", 32.7),
]  # fmt: skip


@pytest.mark.parametrize(("suite", "row", "pair", "printed"), TYPED_AGAIN)
def test_a_sample_typed_again_from_the_source_is_the_same(suite: str, row: str, pair: str, printed: float) -> None:
    (table,) = printed_tables(suite)
    (found,) = (one for one in table.rows if one.row == row)
    assert found.pairs[pair] == printed


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.suite)
def test_each_printed_average_is_that_of_its_pairs_up_to_rounding(table: PrintedTable) -> None:
    for row in table.rows:
        assert row.average == pytest.approx(np.mean(list(row.pairs.values())), abs=0.1), row.row


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.suite)
def test_its_pairs_are_pairs_of_the_suite_and_its_methods_are_here(table: PrintedTable) -> None:
    from dta_bench import plugins

    possible = {pair.key for pair in suite_plugin(table.suite).file.possible_pairs()}
    for row in table.rows:
        assert row.pairs.keys() <= possible
        assert row.method is None or row.method in plugins.names("method")


def report(metric: str = "accuracy", pairs: tuple[str, ...] = ("a -> b", "b -> a")) -> SuiteReport:
    cell = SuiteScore(
        score=60, interval=None, seeds=1, confirmed=True, collapsed=0, params={}, mlflow_run_ids=[]
    )  # fmt: skip
    of_pairs = {
        key: SuitePairReport(benchmark=key, source="a", target="b", runs=1, methods={"dann": cell}) for key in pairs
    }
    table = PrintedTable(
        suite="s", source="a paper", metric="accuracy", backbone="its own", selection="the test set",
        rows=[PrintedRow(row="DANN", method="dann", average=82.2, pairs={"a -> b": 82.0, "b -> a": 82.4})],
    )  # fmt: skip
    return SuiteReport.model_validate(
        {
            "suite": "s", "rule": "labels", "headline": metric, "backbone": "resnet50", "weights": "hub", "stated": 2,
            "pairs": of_pairs, "average_over": [], "average": {}, "average_intervals": {}, "average_seeds": {},
            "comparisons": [], "across": None, "missing": [], "notes": ["drawn"], "printed": [table],
        }
    )  # fmt: skip


def test_ours_stands_beside_a_row_only_with_all_its_pairs_in_its_metric() -> None:
    found = report()
    table, row = found.printed[0], found.printed[0].rows[0]
    assert our_average(found, table, row) == 60
    assert our_average(report(pairs=("a -> b",)), table, row) is None
    assert our_average(report(metric="mean_class_accuracy"), table, row) is None


def test_the_page_names_metric_network_selection_and_source_of_each_row() -> None:
    text = html(suite_page(report()))
    for words in ("82.2", "60.0", "its own", "the test set", "a paper"):
        assert words in text
