"""How the choice was made, in sentences: what the labelled subset was asked, what was lost, what other rules choose."""

from __future__ import annotations

from dta_bench.report.confirmation_sentences import search_sentences, untested_sentences
from dta_bench.report.document.report import Report
from dta_bench.report.document.scores import Comparison
from dta_bench.report.headline_and_warnings import spell_p
from dta_bench.report.labels import label_choice
from dta_bench.spec.spelling import count_of, spell_gain, spell_metric

CREDIBLE = 0.9
"""The probability that the fewest configurations are to hold together, of which one is the best."""

ORACLE = "the best on target test, which only the test labels show (the oracle)"

MOST_PAIRS = 6
"""Pairs of methods on a terminal; the JSON has all."""


def choice_sentences(report: Report) -> list[str]:
    """What choosing cost and may have gained by luck, a sentence each."""
    subset, lost = report.subset, report.regret
    sentences = []
    if subset is not None:
        drawn = "stratified by class" if subset.stratified else "at random"
        came = "given by the user" if subset.given else f"drawn {drawn} by seed {subset.seed}"
        drawn_as = f", hash {subset.hash[:12]}" if subset.hash else ""
        sentences.append(
            f"Labelled subset: {subset.size} images {came}{drawn_as}; "
            f"the subset was scored {count_of(subset.asked, 'time')} by the runs in this table."
        )
    if lost is None:
        return sentences
    if report.rule == "labels":
        sentences += [*_inflation(report), *_chance_of_best(report)]
    sentences += search_sentences(report)
    if report.rule != "oracle":
        points = f"{lost.points:.1f} points (95 % interval {spell_gain(lost.ci95, signed=False)})"
        seeds = " on the seeds of the search" if report.selected and report.selected.confirmed else ""
        if lost.points == 0 and tuple(lost.ci95) == (0, 0):
            sentences.append(f"Regret: none; {ORACLE}, is the same configuration{seeds}.")
        else:
            sentences.append(f"Regret: {points} lost against {ORACLE}: {lost.oracle:.1f} %{seeds}.")
    return sentences


def comparison_sentences(report: Report) -> list[str]:
    """Which methods differ, by tests over seeds and images, corrected for their number by Holm."""
    pairs = report.comparisons
    if not pairs:
        return []
    sentences = [
        f"{pair.first} against {pair.second}: {pair.points:+.1f} points, {spell_test(pair)}."
        for pair in pairs[:MOST_PAIRS]
    ]
    heading = f"Tests of pairs over seeds and images, Holm's correction for {len(pairs)}:"
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


def spell_test(pair: Comparison) -> str:
    """What the test of a pair shows: ``p 0.020 (they differ)``."""
    if pair.p_holm is None:
        return "not tested (one seed)" if pair.seeds < 2 else "not tested (both runs of one collapsed)"
    return f"{spell_p(pair.p_holm)} ({'they differ' if pair.differs else 'no difference is shown'})"


def _inflation(report: Report) -> list[str]:
    if report.inflation is None or report.selected is None:
        return []
    side = "above" if report.inflation >= 0 else "below"
    return [
        f"The labelled subset scored the chosen configuration {abs(report.inflation):.1f} points {side} its target test"
        f" {spell_metric(report.headline)}; that score serves to choose and is no result."
    ]


def _chance_of_best(report: Report) -> list[str]:
    """How probable it is that the choice is the best of those compared, and how many share the probability."""
    chances = sorted((row.chance_of_best for row in report.competing if row.chance_of_best is not None), reverse=True)
    if len(chances) < 2:
        return []
    chosen = report.competing[0].chance_of_best
    held, count = 0.0, 0
    while held < CREDIBLE and count < len(chances):
        held, count = held + chances[count], count + 1
    return [
        f"By these labels the chosen configuration is the best of the {len(chances)} compared with probability"
        f" {chosen:.2f}; {count_of(count, 'configuration')} together have {100 * CREDIBLE:.0f} %."
    ]
