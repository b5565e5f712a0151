"""What ``dta-bench report SUITE`` does: a page of the suite and one of each pair, kept as files."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from dta_bench.data.suite_plugin import SuitePair, suite_plugin
from dta_bench.report.command import FinishedReport, report_runs
from dta_bench.report.html.page import html, markdown
from dta_bench.report.suite.build import build_suite_report
from dta_bench.report.suite.page import show_suite, suite_page
from dta_bench.run.workspace import Workspace


def report_suite(
    name: str, rule: str | None, workspace: Workspace, only: Collection[str] | None = None,
    pairs: Sequence[SuitePair] = (), with_pairs: bool = True, places: str = "",
) -> FinishedReport:  # fmt: skip
    """The report of a suite, kept as ``report.json``, ``.html`` and ``.md``, with the pages of its pairs in ``pairs/``.

    Args:
        rule: a selection rule; None takes the default of each pair.
        only: identities of the runs to report; None: all.
        pairs: to report; none for all of the suite.
        with_pairs: make the page of each pair too.
        places: the options that lead a command to the same data and store, with a space before each.

    Raises:
        UserError: no such suite, no finished run, or an unknown rule.
    """
    suite, tracker = suite_plugin(name), workspace.tracker()
    tracker.check_address()
    report = build_suite_report(suite, tracker, rule, Path(workspace.root), only, pairs, places)
    folder, pages = workspace.make_page_folder(suite.name), dict[str, str]()
    if with_pairs:
        for key, pair in report.pairs.items():
            own = replace(workspace, to=str(folder / "pairs" / pair.benchmark))
            report_runs(pair.benchmark, rule, own)
            pages[key] = f"pairs/{pair.benchmark}/report.html"
    page = suite_page(report, pages, places)
    folder.mkdir(parents=True, exist_ok=True)
    texts = {"json": json.dumps(report.json_object(), indent=2) + "\n", "html": html(page), "md": markdown(page)}
    for ending, text in texts.items():
        (folder / f"report.{ending}").write_text(text, encoding="utf-8")
    return FinishedReport(report, lambda: page, partial(show_suite, report), folder / "report.html")
