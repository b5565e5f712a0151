"""How well a network predicts further images, beside what one run is expected to score on so many of them."""

from __future__ import annotations

from collections.abc import Sequence

from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.report.configurations import Configuration, comparable_groups, group_runs
from dta_bench.report.document.frozen_record import FrozenRecord, Interval
from dta_bench.report.predictions.truth import Truth
from dta_bench.report.summary import rule_or_default, uncertainty_of
from dta_bench.spec.spelling import spell_metric
from dta_bench.tracking import TrackedRun, Tracker, standing_runs


class ExpectedScore(FrozenRecord):
    """Where the score of one run on new images of the same target lies with a probability of 95 %, in percent."""

    interval: Interval
    seeds: int
    fresh: bool
    """Whether these seeds had no part in choosing."""


class AgainstTruth(FrozenRecord):
    """How well predictions agree with labels that the user has.

    Attributes:
        images: that were predicted and have a label.
        scores: metric → score in percent; empty where nothing could be compared.
        per_class: accuracy of each class (for label maps its IoU) in percent; None for an absent one.
        one_run: metric → what one run of this configuration is expected to score on so many new images.
        why_not_expected: why ``one_run`` is empty.
        notes: sentences on labels that were not used.
    """

    images: int
    scores: dict[str, float]
    per_class: dict[str, float | None]
    one_run: dict[str, ExpectedScore]
    why_not_expected: str
    notes: list[str]


def compare(truth: Truth, tracker: Tracker | None, run: TrackedRun | None, rule: str | None) -> AgainstTruth:
    """The scores of what was predicted, and those that one run is expected to have.

    Args:
        tracker: the store of the run; None for a network from a file.
        rule: the selection rule that says which configurations are compared; None takes the default.
    """
    measured = truth.scores
    scores: dict[str, float] = {}
    if measured is not None:
        found = {"accuracy": measured.accuracy, "mean_class_accuracy": measured.mean_class_accuracy}
        scores = {"miou": measured.miou} if measured.miou is not None else found
    expected, why = _expected(tracker, run, rule, list(scores), truth.images)
    return AgainstTruth(
        images=truth.images, scores=scores, per_class=dict(measured.per_class) if measured else {}, one_run=expected,
        why_not_expected=why, notes=truth.notes,
    )  # fmt: skip


def describe(found: AgainstTruth) -> list[str]:
    """The same in words, a line a sentence."""
    lines = [f"note: {note}" for note in found.notes]
    if not found.scores:
        return [*lines, "no prediction could be compared with a label"]
    for metric, score in found.scores.items():
        line = f"{spell_metric(metric)} on the {found.images:,} images with a label: {score:.1f} %"
        if (expected := found.one_run.get(metric)) is not None:
            low, high = expected.interval
            fresh = "fresh seeds" if expected.fresh else "seeds of the search"
            place = "inside" if low <= score <= high else "below" if score < low else "above"
            line += (
                f"; 95 % prediction interval for one run on so many new images of the target: {low:.1f} to {high:.1f}"
                f" % ({expected.seeds} runs, {fresh}); it is {place}"
            )
            if place != "inside":
                line += ": these images, or their labels, are unlike those of target test"
        lines.append(line)
    return [*lines, *([found.why_not_expected] if found.why_not_expected else [])]


def _expected(
    tracker: Tracker | None, run: TrackedRun | None, rule: str | None, metrics: Sequence[str], images: int
) -> tuple[dict[str, ExpectedScore], str]:
    """What one run is expected to score, by metric; and why that is not known where it is not."""
    if tracker is None or run is None:
        return {}, "no prediction interval: the network comes from a file; name its run in a store"
    if "test/accuracy" not in run.metrics:
        return {}, "no prediction interval: there is no labelled target test"
    benchmark = benchmark_of(run.spec.benchmark)
    standing = standing_runs(one for one in tracker.runs(benchmark.name) if not one.unknown_fields)[0]
    for group in comparable_groups(group_runs(tracker, standing)):
        if (own := _holder(group, run)) is not None:
            break
    else:
        return {}, "no prediction interval: no configuration of the search holds this run"
    chosen, _ = rule_or_default(rule, group, benchmark)
    uncertainty = uncertainty_of(group, chosen, benchmark.headline)
    found = {metric: uncertainty.interval_of_one_run(own.shown, metric, images) for metric in metrics}
    seeds, fresh = len(own.shown.runs), bool(own.confirmation)
    known = {m: ExpectedScore(interval=i, seeds=seeds, fresh=fresh) for m, i in found.items() if i is not None}
    return known, "" if known else "no prediction interval: one seed does not say how far seeds are apart"


def _holder(group: Sequence[Configuration], run: TrackedRun) -> Configuration | None:
    """The configuration that a run belongs to."""
    return next((c for c in group if any(r.tracked.mlflow_run_id == run.mlflow_run_id for r in c.every_run)), None)
