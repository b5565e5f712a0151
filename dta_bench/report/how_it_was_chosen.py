"""How the choice was made, in sentences: what the labelled subset was asked, what was lost, what other rules choose."""

from __future__ import annotations

from dta_bench.report.confirmation_sentences import search_sentences, untested_sentences
from dta_bench.report.document.frozen_record import Interval
from dta_bench.report.document.report import Report
from dta_bench.report.labels import label_choice

MOST_PAIRS = 6
"""Pairs of methods on a terminal; the JSON has all."""


def choice_sentences(report: Report) -> list[str]:
    """What choosing cost and may have gained by luck, a sentence each."""
    subset, lost = report.subset, report.regret
    sentences = []
    if subset is not None:
        drawn = "stratified by class" if subset.stratified else "at random"
        came = "given by the user" if subset.given else f"drawn {drawn} by seed {subset.seed}"
        sentences.append(
            f"Labelled subset: {subset.size} images {came}, hash {subset.hash[:12]}; "
            f"its labels were asked {subset.asked} times by the runs in this table."
        )
    if lost is None:
        return sentences
    if report.rule == "labels" and report.inflation is not None:
        sentences.append(
            f"Its score of the chosen is {report.inflation:+.1f} points off target test: it is there for choosing."
        )
    sentences += search_sentences(report)
    if report.rule != "oracle":
        points = _spell_points(lost.points, lost.ci95)
        seeds = ", on the seeds that chose" if report.selected and report.selected.confirmed else ""
        sentences.append(f"Regret: {points} lost against the oracle's {lost.oracle:.1f} %{seeds}.")
    return sentences


def comparison_sentences(report: Report) -> list[str]:
    """Which methods differ, by paired tests over seeds and images, corrected for their number by Holm."""
    pairs = report.comparisons
    if not pairs:
        return []
    sentences = [
        f"{pair.first} against {pair.second}: {pair.points:+.1f} points, {_spell_p(pair.p_holm)}"
        f" ({'they differ' if pair.differs else 'no difference is shown'})."
        for pair in pairs[:MOST_PAIRS]
    ]
    heading = f"Paired tests over seeds and images, Holm's correction for {len(pairs)}:"
    more = [f"{len(pairs) - MOST_PAIRS} more pairs are in the JSON."] if len(pairs) > MOST_PAIRS else []
    return [heading, *sentences, *more, *untested_sentences(report)]


def disagreement_sentences(report: Report) -> list[str]:
    """Where label-free, labelled and oracle choice differ; nothing where the rules were not compared."""
    rows = {row.rule: row for row in report.rules or []}
    oracle = rows.get("oracle")
    if oracle is None or oracle.selected is None:
        return []
    sentences = []
    for name in ("labels", "source"):
        row = rows.get(name)
        if row and row.selected and row.selected != oracle.selected:
            ours, best = label_choice(report, row.selected), label_choice(report, oracle.selected)
            scores = f"{row.test:.1f} against {oracle.test:.1f} % on target test"
            sentences.append(f"{name} chose {ours}, the oracle {best}: {scores}.")
    labels, source = rows.get("labels"), rows.get("source")
    if labels and source and labels.selected != source.selected and labels.test is not None and source.test is not None:
        gap = labels.test - source.test
        sentences.append(f"Choosing by target labels instead of source labels is worth {gap:+.1f} points here.")
    return sentences


def _spell_points(value: float, bounds: Interval | None) -> str:
    """``1.2 points (95 % interval 0.3 to 2.0)``."""
    interval = f" (95 % interval {bounds[0]:.1f} to {bounds[1]:.1f})" if bounds else ""
    return f"{value:.1f} points{interval}"


def _spell_p(value: float) -> str:
    return "p below 0.001" if value < 0.001 else f"p {value:.3f}"
