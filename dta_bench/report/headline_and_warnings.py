"""The sentences that every form of a report says: the answer, the rule that chose, and the warnings."""

from __future__ import annotations

from collections.abc import Sequence

from dta_bench.report.confirmation_sentences import describe_seeds, unconfirmed_sentences
from dta_bench.report.document.report import Report
from dta_bench.report.document.scores import Difference, TargetScores
from dta_bench.report.paper.published import not_compared_sentences
from dta_bench.spec.spelling import spell_metric
from dta_bench.spec.target_labels import CONSEQUENCES

MOST_NAMES = 10
"""Runs that a warning names; the JSON and the page's table have all."""


def answer(report: Report) -> str:
    """One sentence: what won, by how much, chosen how, how sure; or that it did not win."""
    if report.selected is None:
        return "Only baselines have been run."
    if report.test is None:
        return answer_without_test(report)
    test, headline = report.test, report.headline
    low, high = test.interval(headline) or (float("nan"), float("nan"))
    result = (
        f"{report.selected.method}, chosen by {describe_rule(report)}, has {spell_metric(headline)}"
        f" {test.average(headline):.1f} % on target test, {describe_seeds(test.confirmed)}"
        f" (95 % interval {low:.1f} to {high:.1f}, {count_seeds(test.seeds)})"
    )
    if report.difference is None or report.source_only is None:
        return f"{result}; source-only has not been run beside it with the same seeds."
    return f"{result}: {_compare(report.difference, test, report.source_only.average(headline))}"


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
    chose = "was chosen by them, which makes it too good" if report.rule == "labels" else "may not have chosen it"
    return (
        f"{lead} On the {report.subset.size} labelled images it has {spell_metric(report.headline)} {score:.1f} %, but "
        f"it {chose}."
    )


def _compare(difference: Difference, test: TargetScores, source_only: float | None) -> str:
    gap = (
        f"{difference.points:+.1f} points against source-only's {source_only:.1f} %, "
        f"standard error {difference.standard_error:.1f} over {difference.over}"
    )
    if difference.confirmed != test.confirmed:
        gap += " (both on the seeds that chose it, for source-only has no confirmation runs)"
    elif difference.seeds < test.seeds:
        gap += f" (on the {count_seeds(difference.seeds)} that both have)"
    one_seed = " One seed says nothing of training's own chance." if difference.seeds == 1 else ""
    return f"{gap}, {_verdict(difference)}.{one_seed}"


def _verdict(difference: Difference) -> str:
    if difference.beyond_two_standard_errors:
        return "more than two standard errors above it"
    if difference.points < -2 * difference.standard_error:
        return "more than two standard errors BELOW it: it loses to source-only here"
    return "NOT more than two standard errors above it: no gain is shown"


def describe_rule(report: Report) -> str:
    """Who or what chose, with the rule's name."""
    sentences = {
        "labels": f"{report.subset.size if report.subset else 0} labelled images of target train (rule: labels)",
        "source": "held-out source images (rule: source)",
        "entropy": "the entropy of its target predictions (rule: entropy)",
        "last": "nobody: it is the row that was started first (rule: last)",
        "oracle": "ORACLE: the target test labels",
    }
    return sentences.get(report.rule, f"{report.rule}, without a target label (rule: {report.rule})")


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
            f"Hardly ever predicted on target train (below 1 %): {_join(report.without_test.rarely_predicted)}; a sign "
            "of collapse, or of classes that the target lacks (partial adaptation is not handled)."
        )
    sentences += _bad_ends(report)
    sentences += [f"Left out, they cannot be read: {names}." for names in report.unreadable]
    if report.whole:
        scores = ", ".join(f"{spell_metric(key)} {value:.1f} %" for key, value in report.whole.measured.items())
        sentences.append(
            f"For comparison, with the labelled subset put back into target test, as papers have it: {scores}."
        )
    if report.too_few_seeds:
        sentences.append(
            f"{_count_configurations(report.too_few_seeds)} fewer seeds finished, so no part in the choice."
        )
    sentences += unconfirmed_sentences(report)
    sentences += not_compared_sentences(report)
    if count := report.old_fingerprints:
        sentences.append(
            f"{'Runs' if count > 1 else 'Run'} with a code fingerprint of the old scheme: {count}. A sweep counts such"
            " runs as made by today's code only while no shipped file that decides their numbers has changed."
        )
    sentences += _counted_twice_or_not_at_all(report)
    if report.left_out:
        sentences.append(f"{_count_configurations(report.left_out)} other training, labels or data, not compared here.")
    return sentences


def _counted_twice_or_not_at_all(report: Report) -> list[str]:
    """What stands in the table though it was made by other code or on unverified data, and what was left out."""
    sentences = []
    if report.mixed_code:
        sentences.append(
            f"Mixed code: runs of {'; '.join(report.mixed_code)} were made by several versions of the code; what they"
            " differ by may be the code."
        )
    if report.unverified_data:
        sentences.append(
            f"Contents not verified: the data fingerprint of {report.unverified_data} of the compared runs covers"
            " paths, sizes and labels alone."
        )
    if report.repeated_runs:
        sentences.append(
            f"Runs that repeat a spec and seed and are not counted: {report.repeated_runs}; of several, the"
            " finished one that was started last stands."
        )
    if report.newer_runs:
        sentences.append(f"Left out, their spec has fields of a newer dta-bench: {report.newer_runs} runs.")
    if report.refused_specs:
        count = len(report.refused_specs)
        sentences.append(
            f"Left out, this dta-bench does not allow their stored spec: {count} run{'s' if count > 1 else ''}"
            f" ({report.refused_specs[0]})."
        )
    return sentences


def _bad_ends(report: Report) -> list[str]:
    """Runs that collapsed, nearly lost a class, failed, were stopped early, or did not finish."""
    sentences = []
    if report.collapsed:
        sentences.append(f"Collapsed (fewer than half of the classes predicted): {_join(report.collapsed)}.")
    if report.lost_classes:
        named = [f"{run} ({', '.join(classes)})" for run, classes in report.lost_classes.items()]
        sentences.append(f"A class is nearly lost (accuracy under a tenth of the mean of all classes): {_join(named)}.")
    for reason in dict.fromkeys(report.failed.values()):
        sentences.append(f"Failed: {_join([name for name, why in report.failed.items() if why == reason])}: {reason}.")
    if report.stopped:
        epochs = sorted({stop.epoch for stop in report.stopped.values()})
        rules = sorted({stop.reason.partition(":")[0] for stop in report.stopped.values()})
        sentences.append(
            f"Stopped early by {' and '.join(rules)}, after epoch {', '.join(map(str, epochs))}:"
            f" {len(report.stopped)} runs; they have no result and take no part in the choice."
        )
    if report.unfinished:
        sentences.append(f"Not finished: {_join(report.unfinished)}; the same sweep command goes on.")
    return sentences


def count_seeds(count: int) -> str:
    """``1 seed``, ``3 seeds``."""
    return f"{count} seed" if count == 1 else f"{count} seeds"


def _join(names: Sequence[str]) -> str:
    """Names, but not hundreds of them."""
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more


def _count_configurations(count: int) -> str:
    return f"{count} configuration has" if count == 1 else f"{count} configurations have"
