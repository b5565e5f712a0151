"""The sentences that every form of a report says: the answer, the rule that chose, and the warnings."""

from __future__ import annotations

import re

from dta_bench.report.confirmation_sentences import describe_seeds, source_only_twice, unconfirmed_sentences
from dta_bench.report.document.frozen_record import Interval
from dta_bench.report.document.report import Report
from dta_bench.report.document.scores import Difference
from dta_bench.report.left_out_sentences import describe_left_out
from dta_bench.report.paper.published import not_compared_sentences
from dta_bench.report.selection.explained import EXPLAINED
from dta_bench.report.weak_runs import (
    collapsed_sentence,
    is_near_guessing,
    join_names,
    lost_sentence,
    near_guessing_sentence,
)
from dta_bench.spec.declared_method import trains_nothing
from dta_bench.spec.spelling import count_of, spell_gain, spell_method, spell_metric, spell_score_bounds
from dta_bench.spec.target_labels import CONSEQUENCES

CONTRADICTION = 20.0
"""Points between two estimates of one accuracy, which are worth a warning; our pairs' errors are about as large."""


def answer(report: Report) -> str:
    """One sentence: what won, by how much, chosen how, how sure; or that it did not win."""
    if report.selected is None:
        return "Only baselines have been run."
    if report.test is None:
        return answer_without_test(report)
    test, headline = report.test, report.headline
    result = (
        f"{report.selected.method}, chosen by {describe_rule(report)}, has {spell_metric(headline)}"
        f" {test.average(headline):.1f} % on target test, {describe_seeds(test.confirmed)}"
        f" ({spell_interval(test.interval(headline), test.seeds)}, {count_seeds(test.seeds)})"
    )
    if report.difference is None or report.source_only is None:
        return f"{result}; source-only has not been run beside it."
    difference, source_only = report.difference, report.source_only.average(headline)
    bounds = spell_gain(difference.ci95, difference.seeds)
    gap = f"{difference.points:+.1f} points vs. source-only's {source_only:.1f} % (95 % interval {bounds})"
    if difference.confirmed != test.confirmed:
        gap += ", both on the seeds of the search, because source-only has no confirmation runs"
    return f"{result}: {gap}. {verdict(report, difference)}"


def answer_without_test(report: Report) -> str:
    """What was chosen, and that nothing says how good it is."""
    method = report.selected.method if report.selected else ""
    lead = (
        f"{method}, chosen by {describe_rule(report)}; no labelled target test, so nothing says how good it is on the "
        "target."
    )
    if report.subset is None or report.validation is None:
        return lead
    score = report.validation.average(report.headline) or float("nan")
    chose = "they chose it, so that score is too high" if report.rule == "labels" else "another rule chose it"
    return (
        f"{lead} On the {report.subset.size} labelled images it has {spell_metric(report.headline)} {score:.1f} %; "
        f"{chose}."
    )


def verdict(report: Report, difference: Difference) -> str:
    """What the test of the chosen configuration against source-only shows, as the table of pairs has it."""
    if difference.p_holm is None and difference.seeds > 1:
        return "Both runs of one side collapsed; how often that happens is not known, so no difference is claimed."
    if difference.p_holm is None:
        return "One seed does not show how much training varies by chance, so no difference is claimed."
    corrected = f", corrected for {difference.pairs} pairs" if (difference.pairs or 1) > 1 else ""
    p = f"{spell_p(difference.p_holm)}{corrected}"
    if difference.differs and difference.points > 0:
        return f"It is better than source-only ({p})."
    if difference.differs:
        return f"It is WORSE than source-only ({p})."
    return f"NO difference from source-only is shown ({p}). {_spell_seeds_needed(report, difference)}"


def _spell_seeds_needed(report: Report, difference: Difference) -> str:
    """How many seeds would decide, with the command that runs them."""
    needed = difference.seeds_needed
    if needed is None or needed.at_least is None:
        return "More than 50 seeds of each would be needed, even if the difference is as large as its interval allows."
    as_seen = "more than 50" if needed.as_seen is None else str(needed.as_seen)
    seeds = needed.at_least if needed.as_seen is None else needed.as_seen
    return (
        f"To show one, at least {needed.at_least} seeds of each are needed, or {as_seen} if the difference stays as it"
        f" is now: {_confirming_command(report, seeds)}"
    )


def _confirming_command(report: Report, seeds: int) -> str:
    """The sweep that made the runs, with so many seeds; where several did, none is named: each plans other runs.

    Confirmation runs are of what the rule of sweeps chooses. Another rule's choice gets more seeds by the search alone.
    """
    chosen, confirmation = report.leaderboard[0], report.confirmation
    is_of_another_rule = chosen.search is None and 0 < confirmation.requested <= confirmation.done
    option = "--seeds" if is_of_another_rule else "--confirm"
    sweeps = [line for line in report.commands or () if line.startswith("dta-bench sweep ")]
    swept = {re.sub(rf" (--confirm|{option})[ =][0-9]+", "", line) for line in sweeps}
    if len(swept) > 1:
        return f"the sweep that made the chosen runs, with {option} {seeds} ({len(swept)} sweeps made this table)"
    if not swept:  # single trainings, or merged archives, which hold no commands
        return f"a sweep of these methods, on this backbone and with this training, with {option} {seeds}"
    (command,) = swept
    return f"{command} {option} {seeds}"


def spell_interval(bounds: Interval | None, seeds: int) -> str:
    """``95 % interval 60.1 to 64.0``; of one seed it says that it is over test images only."""
    ends = spell_score_bounds(bounds or (float("nan"), float("nan")), seeds)
    return f"95 % interval{'' if seeds > 1 else ' over test images only'} {ends}"


def spell_p(value: float) -> str:
    """``p below 0.001``, ``p 0.034``."""
    return "p below 0.001" if value < 0.001 else f"p {value:.3f}"


def describe_rule(report: Report) -> str:
    """Who or what chose, in a clause, with the rule's name."""
    if report.rule == "oracle":
        return "ORACLE: the target test labels"
    if report.rule == "labels":
        return f"{report.subset.size if report.subset else 0} labelled images of target train (rule: labels)"
    return f"{EXPLAINED.get(report.rule, 'a rule of its own')} (rule: {report.rule})"


def warnings(report: Report) -> list[str]:
    """What a reader must not overlook, a sentence each."""
    sentences = []
    if report.rule == "oracle":
        sentences.append("ORACLE: chosen by the target test labels themselves; a bound, not a result.")
    if report.default_rule:
        sentences.append(f"{report.default_rule[0].upper()}{report.default_rule[1:]}.")
    if report.target_labels != "both":
        sentences.append(f"Labels of the target: {CONSEQUENCES[report.target_labels]}.")
    if report.without_test and report.without_test.rarely_predicted:
        sentences.append(
            "Classes predicted for less than 1 % of target train, and less than a tenth of their share of the source: "
            f"{join_names(report.without_test.rarely_predicted)}; a sign of collapse, or of classes that the target"
            " lacks (partial adaptation is not handled)."
        )
    sentences += [*_estimates_that_contradict(report), *_near_guessing(report), *_bad_ends(report)]
    sentences += [f"Left out because they cannot be read: {names}." for names in report.unreadable]
    if report.whole:
        scores = ", ".join(f"{spell_metric(key)} {value:.1f} %" for key, value in report.whole.measured.items())
        sentences.append(
            f"For comparison, with the labelled subset put back into target test, as papers have it: {scores}."
        )
    if report.enlarged_labels:
        measured = report.enlarged_labels.measured.items()
        scores = ", ".join(f"{spell_metric(key)} {value:.1f} %" for key, value in measured)
        sentences.append(
            "The network's output is smaller than the label maps, so its logits are enlarged to their size. With "
            f"predicted labels enlarged instead: {scores}."
        )
    if report.too_few_seeds:
        sentences.append(
            f"{_count_configurations(report.too_few_seeds)} fewer finished seeds than others, and cannot be chosen."
        )
    sentences += [*source_only_twice(report), *unconfirmed_sentences(report)]
    sentences += not_compared_sentences(report)
    if count := report.old_fingerprints:
        sentences.append(
            f"{'Runs' if count > 1 else 'Run'} with a code fingerprint of the old scheme: {count}. A sweep counts such"
            " runs as made by today's code only while no shipped file that decides their numbers has changed."
        )
    sentences += _counted_twice_or_not_at_all(report)
    if report.budget is not None:
        sentences.append(f"Every run has the budget {report.budget}; a first stage is a part of it.")
    if report.trained_parts:
        sentences.append(f"Only a part of the network trains ({' | '.join(report.trained_parts)}).")
    sentences += _untrained(report)
    if report.recipes:
        sentences.append(
            f"Trained by the recipe {join_names(report.recipes)}; dta-bench report --recipes has what is printed."
        )
    return sentences + describe_left_out(report.benchmark, report.left_out_runs or ())


def _estimates_that_contradict(report: Report) -> list[str]:
    """That the estimates of an accuracy which nobody can measure are far from each other."""
    found = [one.accuracy for one in report.without_test.estimates] if report.without_test else []
    if not found or max(found) - min(found) <= CONTRADICTION:
        return []
    return [
        f"The estimates of the accuracy contradict each other: {min(found):.1f} to {max(found):.1f} %. Trust none of "
        "them; a few labels of the target say more (dta-bench label)."
    ]


def _near_guessing(report: Report) -> list[str]:
    """Which rows have about the accuracy of who guesses among the classes, in a sentence."""
    sides = list(report.scores_by_side().values())
    classes = len(sides[0].per_class) if sides else 0
    if report.headline == "miou" or not classes:
        return []
    rows = [row for row in report.leaderboard if row.test is not None and is_near_guessing(row.test, classes)]
    named = [f"{row.method} {row.test:.1f} %" for row in rows]
    return [near_guessing_sentence(named, classes)] if named else []


def _untrained(report: Report) -> list[str]:
    """What predicts without any training, and by which prompts, a sentence for each."""
    untrained = {method for method in {row.method for row in report.leaderboard} if trains_nothing(method)}
    rows = [row for row in report.leaderboard if row.method in untrained]
    templates = {row.method: row.params.get("templates") for row in reversed(rows)}
    prompts = {method: f' ("{text}")' if text else "" for method, text in templates.items()}
    return [
        f"{spell_method(method).capitalize()} was not trained, neither on the source nor on the target: it compares "
        f"images with prompts for the class names{quoted}. One run stands for all seeds, its interval is over "
        "test images, and no pair with it is tested."
        for method, quoted in prompts.items()
    ]


def _counted_twice_or_not_at_all(report: Report) -> list[str]:
    """What stands in the table though it was made by other code or on unverified data, and what was left out."""
    sentences = []
    if report.mixed_code:
        sentences.append(
            f"Mixed code: runs of {'; '.join(report.mixed_code)} were made by several versions of the code, which"
            " may be why they differ."
        )
    if report.unverified_data:
        sentences.append(
            f"Contents not verified: the data fingerprint of {report.unverified_data} of the compared runs covers"
            " only paths, sizes and labels."
        )
    if report.disagreements:
        sentences.append(
            f"Runs whose scores differ in a merged archive: {len(report.disagreements)}, such as"
            f" {report.disagreements[0]}."
        )
    if report.repeated_runs:
        sentences.append(
            f"Not counted, because another run has the same spec and seed: {report.repeated_runs}. Of several, the"
            " finished one that started last counts."
        )
    if report.newer_runs:
        sentences.append(
            f"Left out because their spec has fields of a newer dta-bench: {count_of(report.newer_runs, 'run')}."
        )
    if report.refused_specs:
        count = len(report.refused_specs)
        sentences.append(
            f"Left out because this dta-bench does not allow their stored spec: {count_of(count, 'run')}"
            f" ({report.refused_specs[0]})."
        )
    return sentences


def _bad_ends(report: Report) -> list[str]:
    """Runs that collapsed, nearly lost a class, failed, were stopped early, or did not finish."""
    sentences = []
    if report.collapsed:
        since = {run.name: run.since for run in report.ended or []}
        sentences.append(collapsed_sentence(report.collapsed, since))
    if report.lost_classes:
        sentences.append(lost_sentence(report.lost_classes, report.lost_since or {}))
    for reason in dict.fromkeys(report.failed.values()):
        sentences.append(
            f"Failed: {join_names([name for name, why in report.failed.items() if why == reason])}: {reason}."
        )
    if report.stopped:
        epochs = sorted({stop.epoch for stop in report.stopped.values()})
        rules = sorted({stop.reason.partition(":")[0] for stop in report.stopped.values()})
        sentences.append(
            f"Stopped early by {' and '.join(rules)}, after epoch {', '.join(map(str, epochs))}:"
            f" {count_of(len(report.stopped), 'run')}, without a result and without a part in the choice."
        )
    if report.unfinished:
        sentences.append(f"Not finished: {join_names(report.unfinished)}; the same sweep command goes on with them.")
    return sentences


def count_seeds(count: int) -> str:
    """``1 seed``, ``3 seeds``."""
    return count_of(count, "seed")


def _count_configurations(count: int) -> str:
    return f"{count} configuration has" if count == 1 else f"{count} configurations have"
