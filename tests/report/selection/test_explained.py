"""Every selection rule is said in a clause, wherever it can be named."""

import pytest
from command_line import refusal
from small_runs import spec_of
from stored_runs import Runs, classes_of, report_of
from typer.testing import CliRunner

from dta_bench import cli
from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.report.headline_and_warnings import answer
from dta_bench.report.selection.explained import EXPLAINED
from dta_bench.report.selection.rules import RULES


def test_every_rule_has_a_clause() -> None:
    assert list(EXPLAINED) == list(RULES)


@pytest.mark.parametrize("line", ["list rules", "report --help"])
def test_lists_and_help_say_what_each_rule_chooses_by(line: str) -> None:
    said = " ".join(CliRunner().invoke(cli.app, line.split(), env={"COLUMNS": "300"}).output.split())
    assert all(rule in said and clause in said for rule, clause in EXPLAINED.items())


def test_an_unknown_rule_is_refused_with_what_there_is() -> None:
    said = refusal("report fonts_digits --select ?")
    assert all(f"\n  {rule}: {clause}" in said for rule, clause in EXPLAINED.items())
    assert "docs/label_free.md" in said


def test_a_report_says_what_the_rule_that_chose_reads() -> None:
    runs = Runs()
    runs.add(spec_of(), 0.5)
    said = answer(report_of(runs, classes_of(benchmark_of("fonts_digits")), "snd"))
    assert f"chosen by {EXPLAINED['snd']} (rule: snd), has accuracy" in said
