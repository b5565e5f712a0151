"""What is known of a choice where no labelled target test is there."""

from __future__ import annotations

from dta_bench.report.document.report import Report
from dta_bench.report.document.without_test import Estimate
from dta_bench.report.html.page import Cell, Section, Table
from dta_bench.report.html.sections.cells import number_cell
from dta_bench.report.labels import describe_source
from dta_bench.spec.spelling import spell_metric


def _direction(estimate: Estimate) -> str:
    if estimate.bias is None:
        return "not measured"
    return "too high" if estimate.bias > 0 else "too low"


def without_test_section(report: Report) -> Section | None:
    """Source validation, label-free statistics and predicted class shares; nothing where target test was measured."""
    known = report.without_test
    if known is None:
        return None
    words = [
        "There is no labelled target test. The figures below need no label of the target, and none of them says how "
        "good the network is there: a high score on the source, or confident predictions, can go with wrong ones."
    ]
    scores = [
        [Cell(f"held-out source ({describe_source(known)}), {spell_metric(metric)}, %"), number_cell(value)]
        for metric, value in known.source_validation.measured.items()
    ]
    scores += [[Cell(f"target train, {name}"), number_cell(value, 3)] for name, value in known.label_free.items()]
    shares = [
        [Cell(name), number_cell(share), number_cell(known.source_shares.get(name))]
        for name, share in known.predicted_shares.items()
    ]
    tables = [
        Table(["what", "mean over seeds"], scores),
        Table(
            ["class", "predicted on target train, %", "true on held-out source, %"], shares,
            "A class that is hardly ever predicted is a sign of collapse, or one that the target lacks.",
        ),
    ]  # fmt: skip
    if known.estimates:
        rows = [
            [
                Cell(f"{one.name}: {one.published}"), number_cell(one.accuracy), number_cell(one.mean_error),
                number_cell(one.worst_error), Cell(_direction(one)),
            ]
            for one in known.estimates
        ]  # fmt: skip
        head = ["estimate", "accuracy, %", "mean error, points", "largest error", "mostly"]
        caption = (
            "Published estimates of the accuracy on the target, for the selected configuration, with the errors that "
            "they had on pairs of ours where the truth is known. They are not measurements."
        )
        tables.append(Table(head, rows, caption))
    return Section("without-test", "What is known without target labels", words, tables)
