"""The ranking and the classes as LaTeX tables with booktabs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from dta_bench.report.confirmation_sentences import count_fresh, legend_of_intervals
from dta_bench.report.document.report import Report
from dta_bench.report.document.scores import differing_params
from dta_bench.report.exports.made_by import MadeBy
from dta_bench.report.headline_and_warnings import describe_rule
from dta_bench.report.labels import label_row
from dta_bench.spec.spelling import spell_method, spell_metric

SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
}  # fmt: skip
METRICS = ("accuracy", "mean_class_accuracy", "miou")


def latex(report: Report, made_by: MadeBy) -> str:
    """Both tables, for a document that has ``\\usepackage{booktabs}``; the highest score is bold.

    Rows that share a letter are those that no test of the report tells apart.
    """
    head = [
        "% needs \\usepackage{booktabs}", *(f"% {line}" for line in made_by.lines()),
        *(f"% runs of commit {commit}" for commit in report.provenance.commit),
    ]  # fmt: skip
    tables = [_ranking(report)] + ([_classes(report)] if report.scores_by_side() else [])
    return "\n".join([*head, "", *tables]) + "\n"


def escape(text: str) -> str:
    """Text as LaTeX prints it."""
    return re.sub(r"[\\&%$#_{}~^<>]", lambda found: SPECIAL[found[0]], text)


def _ranking(report: Report) -> str:
    names, several = differing_params(report.leaderboard), len({row.backbone for row in report.leaderboard}) > 1
    best = max((row.test for row in report.competing if row.test is not None), default=None)
    rows = []
    for number, row in enumerate(report.leaderboard, start=1):
        mark = rf"$^{{{row.band}}}$" if row.band else ""
        rows.append([
            str(number) if row.competes else "--", escape(label_row(row, names, several)) + mark,
            _number(row.validation), _number(row.test, bold=row.competes and row.test == best),
            "--" if row.ci95 is None else f"[{row.ci95[0]:.1f}, {row.ci95[1]:.1f}]", count_fresh(row),
        ])  # fmt: skip
    metric = spell_metric(report.headline)
    caption = (
        f"{escape(report.source)} to {escape(report.target)}: {metric} on target test in percent, mean over seeds, "
        f"95\\,\\% intervals; ranked by {escape(describe_rule(report))}, whose score is no "
        "result; the highest score on target test is bold, which is no test."
        + (" Rows that share a letter cannot be told apart." if any(row.band for row in report.leaderboard) else "")
        + "".join(f" {escape(line)}" for line in legend_of_intervals(report))
    )
    head = ["", "configuration", "labelled subset", "target test", r"95\,\% interval", "seeds"]
    return _table("rlrrcr", head, rows, caption, f"tab:{report.benchmark}")


def _classes(report: Report) -> str:
    sides = report.scores_by_side()
    titles = [report.selected.method if s == "selected" and report.selected else spell_method(s) for s in sides]
    scores = list(sides.values())
    rows = [[escape(name), *_best_bold([one.per_class.get(name) for one in scores])] for name in scores[0].per_class]
    averages = [
        [spell_metric(metric), *_best_bold([one.average(metric) for one in scores])]
        for metric in METRICS
        if any(one.average(metric) is not None for one in scores)
    ]
    caption = (
        f"{escape(report.source)} to {escape(report.target)}, class by class: "
        f"{'IoU' if report.headline == 'miou' else 'accuracy'} on target test in percent, mean over seeds. "
        "The highest of a row is bold, which is no test."
    )
    head = ["class", *map(escape, titles)]
    return _table("l" + "r" * len(titles), head, [*rows, [], *averages], caption, f"tab:{report.benchmark}-classes")


def _best_bold(values: Sequence[float | None]) -> list[str]:
    best = max((value for value in values if value is not None), default=None)
    return [_number(value, bold=len(values) > 1 and value == best) for value in values]


def _number(value: float | None, bold: bool = False) -> str:
    text = "--" if value is None else f"{value:.1f}"
    return rf"\textbf{{{text}}}" if bold and value is not None else text


def _table(columns: str, head: Sequence[str], rows: Iterable[Sequence[str]], caption: str, label: str) -> str:
    """One table; an empty row is a rule."""
    body = [" & ".join(row) + r" \\" if row else r"\midrule" for row in rows]
    return "\n".join([
        r"\begin{table}", r"\centering", rf"\caption{{{caption}}}", rf"\label{{{label}}}",
        rf"\begin{{tabular}}{{{columns}}}", r"\toprule", " & ".join(head) + r" \\", r"\midrule", *body,
        r"\bottomrule", r"\end{tabular}", r"\end{table}", "",
    ])  # fmt: skip
