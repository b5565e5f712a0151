"""Backbones as a second axis: does adaptation still pay on each of them?"""

from __future__ import annotations

from dta_bench.report.by_backbone import OfBackbone, beside_any, by_backbone, sentence
from dta_bench.report.confirmation_sentences import count_fresh
from dta_bench.report.document.report import Report
from dta_bench.report.document.scores import differing_params
from dta_bench.report.html.page import Cell, Section, Table
from dta_bench.report.html.sections.cells import gain_cell, number_cell
from dta_bench.report.html.sections.links import first_run_page
from dta_bench.report.labels import label_row
from dta_bench.spec.spelling import spell_method, spell_metric


def backbones_section(report: Report) -> Section | None:
    """On each backbone the gain over source-only with its interval, and the rows that bound it."""
    found = by_backbone(report)
    if not found or report.target_labels in ("none", "subset"):
        return None
    beside = beside_any(found)
    names = differing_params(report.leaderboard)
    head = [
        "backbone", f"chosen by {report.rule}", "target test, %", "source-only, %", "gain, points", "95 % interval",
        "verdict", *map(spell_method, beside), "seeds",
    ]  # fmt: skip
    words = [
        f"On each backbone the rule's first configuration and source-only, in {spell_metric(report.headline)} on target"
        " test; the gain is their difference. The intervals are over training seeds and test images, each by itself:"
        " they are not corrected for the number of backbones."
    ]
    rows = [_row(report, one, names, beside) for one in found]
    return Section("backbones", "Does adaptation pay on each backbone?", words, tables=[Table(head, rows)])


def _row(report: Report, one: OfBackbone, names: list[str], beside: list[str]) -> list[Cell]:
    gain, source = one.best.difference, one.source_only
    chosen = "; ".join([label_row(one.best, names, False), *one.ranked_above()])
    return [
        Cell(one.backbone), Cell(chosen, first_run_page(report, one.best)),
        number_cell(one.best.test), number_cell(source.test if source else None),
        Cell(f"{gain.points:+.1f}" if gain else "", number=True),
        gain_cell(gain), Cell(sentence(one)),
        *(number_cell(one.beside[name].test if name in one.beside else None) for name in beside),
        Cell(count_fresh(one.best), number=True),
    ]  # fmt: skip
