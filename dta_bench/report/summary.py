"""From configurations to the report's main part: who is chosen, how sure that is, and what is beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from dta_bench.report.averages import averages, target_scores
from dta_bench.report.baselines import baselines
from dta_bench.report.configurations import Configuration, comparable_groups
from dta_bench.report.confirmation import for_tests, on_like_seeds, summarise_confirmation
from dta_bench.report.document.report import Report
from dta_bench.report.document.run_details import EarlyStop
from dta_bench.report.document.scores import (
    ChosenConfiguration,
    Difference,
    LeaderboardRow,
    Regret,
    SearchScores,
)
from dta_bench.report.left_out import budgets, left_out_of
from dta_bench.report.origins import (
    count_unverified,
    disagreements,
    followed_recipes,
    labelled_subset,
    mixed_code,
    provenance,
    trained_parts,
    unreadable,
)
from dta_bench.report.paper.published import rows_of_benchmark
from dta_bench.report.selection.compare_rules import regret
from dta_bench.report.selection.default_rule import default_rule, describe_default
from dta_bench.report.selection.ranking import choices, rank
from dta_bench.report.selection.rules import competitors
from dta_bench.report.statistics.bands import letters
from dta_bench.report.uncertainty import Uncertainty, chances_by_subset
from dta_bench.report.without_test import describe_without_test
from dta_bench.run.code_fingerprint import is_old_scheme
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.seeds import is_confirmation
from dta_bench.spec.target_labels import TargetLabels, target_labels
from dta_bench.tracking import STOPPED, TrackedRun


def summarise(
    benchmark: Benchmark,
    configurations: Sequence[Configuration],
    runs: Sequence[TrackedRun],
    rule: str | None,
    requested: Mapping[str, int] = MappingProxyType({}),
) -> Report:
    """The main part of a report: scores in percent, intervals of 95 % over training seeds and test images.

    Where runs differ in training, labelled subset or data, the largest comparable group is reported and the others
    are counted in ``left_out``.

    Args:
        configurations: of the finished runs.
        runs: all runs, finished or not.
        rule: a selection rule; None takes :func:`the default <dta_bench.report.selection.default_rule.default_rule>`.
        requested: a sweep's parent run in MLflow → how many confirmation runs it makes of each configuration.

    Raises:
        UserError: an unknown rule, or one that needs labels which are not there.
    """
    group, headline = reported_group(configurations, benchmark), benchmark.headline
    situation = _target_labels(group)
    measured = situation in ("test", "both")
    rule, why_default = rule_or_default(rule, group, benchmark)
    ranked = rank(group, rule, headline)
    eligible = competitors([c for c, _ in ranked])
    chosen = next(iter(eligible), None)
    competing = {id(c) for c in eligible}
    beside = baselines(c.method for c in group)
    tested, untested = for_tests(_best_of_each_method([c for c, _ in ranked]))
    uncertainty = Uncertainty(tested if measured else [], headline)
    bands = _bands(tested, uncertainty, headline) if measured else {}
    chances = _chances(eligible, rule, headline)
    baseline = _baseline(group, "source_only", chosen)
    target_only = _baseline(group, "target_only", chosen)
    rule_of_sweeps = default_rule(has_subset=situation in ("subset", "both"), task=benchmark.task)
    confirmation, in_force = summarise_confirmation(group, rule_of_sweeps, headline, requested)
    report = Report(
        benchmark=benchmark.name,
        source=benchmark.source,
        target=benchmark.target,
        headline=headline,
        rule=rule,
        runs=sum(len(c.every_run) for c in group),
        left_out=len(configurations) - len(group),
        compared=len(eligible),
        too_few_seeds=sum(c.method not in beside for c in group) - len(eligible),
        target_labels=situation,
        subset=labelled_subset(group),
        confirmation=confirmation,
        untested=untested,
        selected=_name(chosen, headline, uncertainty),
        validation=averages(chosen, "validation"),
        inflation=_inflation(chosen, headline),
        regret=_regret(chosen, eligible, headline, uncertainty),
        test=target_scores(chosen.shown if chosen else None, benchmark, uncertainty),
        source_only=target_scores(_on_like_seeds(baseline, chosen), benchmark, uncertainty),
        target_only=target_scores(_on_like_seeds(target_only, chosen), benchmark, uncertainty),
        difference=_difference(chosen, baseline, uncertainty),
        comparisons=uncertainty.comparisons if measured else None,
        leaderboard=[
            _row(c, value, group, headline, uncertainty).model_copy(
                update={
                    "competes": id(c) in competing,
                    "chance_of_best": chances.get(id(c)),
                    "band": bands.get(id(c.shown), bands.get(id(c.searched))),
                    "confirmed_earlier": bool(c.confirmation) and id(c) not in in_force,
                }
            )
            for c, value in ranked
        ],
        collapsed=[r.tracked.name for c in group for r in c.every_run if r.collapsed],
        lost_classes={r.tracked.name: r.lost_classes for c in group for r in c.every_run if r.lost_classes},
        failed={r.name: r.tags.get("reason", "") for r in runs if r.status == "FAILED"},
        stopped={
            r.name: EarlyStop(epoch=int(r.tags[STOPPED]), reason=r.tags.get("reason", "")) for r in runs if _stopped(r)
        },
        unfinished=[r.name for r in runs if r.status not in ("FINISHED", "FAILED") and not _stopped(r)],
        whole=averages(chosen.shown if chosen else None, "whole"),
        unreadable=unreadable(group),
        disagreements=disagreements(group),
        old_fingerprints=sum(is_old_scheme(r.tracked.tags) for c in group for r in c.every_run),
        unverified_data=count_unverified(group),
        mixed_code=mixed_code(group),
        published=rows_of_benchmark(benchmark.name),
        training=group[0].runs[0].spec.training,
        provenance=provenance(group),
    )
    parts: dict[str, Any] = {"default_rule": why_default} if why_default else {}
    parts |= {"recipes": followed} if (followed := followed_recipes(group)) else {}
    parts |= {"trained_parts": trained} if (trained := trained_parts(group)) else {}
    parts |= budgets(group, configurations)
    parts |= {"left_out_runs": others} if (others := left_out_of(configurations, group)) else {}
    if (enlarged := averages(chosen.shown if chosen else None, "enlarged_labels")) is not None:
        parts["enlarged_labels"] = enlarged
    if chosen is not None and not measured:
        parts["without_test"] = describe_without_test(chosen.shown, benchmark.classes)
    return report.with_parts(**parts)


def reported_group(configurations: Sequence[Configuration], benchmark: Benchmark) -> list[Configuration]:
    """The comparable group with the most runs, among those with a labelled subset if the benchmark has one today."""
    has_subset = benchmark.label_budget > 0 or benchmark.labels_given

    def preference(group: list[Configuration]) -> tuple[bool, int]:
        subset = group[0].runs[0].spec.label_subset
        return subset.is_there == has_subset, sum(len(c.runs) for c in group)

    return max(comparable_groups(configurations), key=preference)


def _target_labels(group: list[Configuration]) -> TargetLabels:
    """Which labels of the target the runs of a group had."""
    return target_labels(
        has_subset=all(c.has("validation") for c in group), has_test=all(c.has("test") for c in group)
    )  # fmt: skip


def rule_or_default(rule: str | None, group: list[Configuration], benchmark: Benchmark) -> tuple[str, str]:
    """The rule, and why it is the default where none was named and no target label can choose."""
    if rule is not None:
        return rule, ""
    has_subset = _target_labels(group) in ("subset", "both")
    chosen = default_rule(has_subset=has_subset, task=benchmark.task)
    return chosen, "" if has_subset else describe_default(chosen, benchmark.task)


def _inflation(chosen: Configuration | None, headline: str) -> float | None:
    """By how much the labelled subset's score exceeds that of target test; None where either is not there."""
    if chosen is None or not (chosen.has("validation") and chosen.has("test")):
        return None
    return chosen.mean("validation", headline) - chosen.shown.mean("test", headline)


def uncertainty_of(group: Sequence[Configuration], rule: str, headline: str) -> Uncertainty:
    """Intervals and tests, with the configuration that the rule chooses for each method as those compared."""
    tested, _ = for_tests(_best_of_each_method([c for c, _ in rank(list(group), rule, headline)]))
    return Uncertainty(tested if all(c.has("test") for c in tested) else [], headline)


def _best_of_each_method(ranked: list[Configuration]) -> list[Configuration]:
    """The first of each method; on the first one's backbone and weights, lest networks be compared."""
    return choices([c for c in ranked if (c.backbone, c.weights) == (ranked[0].backbone, ranked[0].weights)])


def _baseline(group: list[Configuration], method: str, chosen: Configuration | None) -> Configuration | None:
    """The baseline on the backbone and weights of the chosen configuration."""
    if chosen is None:
        return next((c for c in group if c.method == method), None)
    same = (c for c in group if (c.method, c.backbone, c.weights) == (method, chosen.backbone, chosen.weights))
    return next(same, None)


def _on_like_seeds(baseline: Configuration | None, chosen: Configuration | None) -> Configuration | None:
    """A baseline by its confirmation runs, if the chosen configuration has some too."""
    if baseline is None or chosen is None:
        return baseline.shown if baseline else None
    return on_like_seeds(chosen, baseline)[1]


def _bands(tested: Sequence[Configuration], uncertainty: Uncertainty, headline: str) -> dict[int, str]:
    """Letters of the tested configurations, by their ids: those that share one cannot be told apart."""
    ranked = sorted(tested, key=lambda c: -c.mean("test", headline))
    found = letters([c.method for c in ranked], [(p.first, p.second) for p in uncertainty.comparisons if p.differs])
    return {id(c): found[c.method] for c in ranked}


def _chances(eligible: list[Configuration], rule: str, headline: str) -> dict[int, float]:
    """By id: the probability of being the best of those compared, by the labelled subset; only of the rule labels."""
    if rule != "labels":
        return {}
    return {id(c): chance for c, chance in zip(eligible, chances_by_subset(eligible, headline), strict=False)}


def _name(chosen: Configuration | None, headline: str, uncertainty: Uncertainty) -> ChosenConfiguration | None:
    if chosen is None:
        return None
    return ChosenConfiguration(
        params=chosen.params, method=chosen.method, backbone=chosen.backbone, weights=chosen.weights,
        confirmed=bool(chosen.confirmation), search=_search_scores(chosen, headline, uncertainty),
    )  # fmt: skip


def _search_scores(configuration: Configuration, headline: str, uncertainty: Uncertainty) -> SearchScores | None:
    """A confirmed configuration on the seeds of the search; None where the figures shown are of these seeds."""
    if not configuration.confirmation:
        return None
    return SearchScores(
        test=configuration.mean_if_measured("test", headline),
        ci95=uncertainty.interval(configuration.searched, headline) if configuration.has("test") else None,
        seeds=len(configuration.runs), collapsed=len(configuration.collapsed),
        mlflow_run_ids=[r.tracked.mlflow_run_id for r in configuration.runs],
    )  # fmt: skip


def _regret(
    chosen: Configuration | None, eligible: list[Configuration], headline: str, uncertainty: Uncertainty
) -> Regret | None:
    """What the choice loses on target test against the oracle's, which reads the test labels."""
    if chosen is None or not all(c.has("test") for c in eligible):
        return None
    best = max(eligible, key=lambda c: c.mean("test", headline))
    points, ci95 = regret(chosen, best, headline, uncertainty)
    return Regret(points=points, ci95=ci95, oracle=best.mean("test", headline))


def _difference(
    chosen: Configuration | None, baseline: Configuration | None, uncertainty: Uncertainty
) -> Difference | None:
    """Chosen less source-only in the headline metric, in points, both on fresh seeds or both on those of the search."""
    if chosen is None or baseline is None or chosen is baseline or not (chosen.has("test") and baseline.has("test")):
        return None
    one, other = on_like_seeds(chosen, baseline)
    fresh = is_confirmation(other.runs[0].spec.seed)
    return uncertainty.difference(one, other).model_copy(update={"confirmed": fresh})


def _row(
    configuration: Configuration,
    value: float | None,
    group: list[Configuration],
    headline: str,
    uncertainty: Uncertainty,
) -> LeaderboardRow:
    """One configuration of the leaderboard.

    Args:
        value: its score by the selection rule.
    """
    shown = configuration.shown
    has_test = shown.has("test")
    on_source = {} if has_test else {"source_validation": shown.mean("source_validation", headline)}
    row = LeaderboardRow(
        method=configuration.method, backbone=configuration.backbone, params=configuration.params,
        competes=False, score=value, validation=configuration.mean_if_measured("validation", headline),
        test=shown.mean_if_measured("test", headline),
        ci95=uncertainty.interval(shown, headline) if has_test else None,
        seeds=len(shown.runs), collapsed=len(shown.collapsed),
        mlflow_run_ids=[r.tracked.mlflow_run_id for r in shown.runs],
        confirmed=bool(configuration.confirmation), search=_search_scores(configuration, headline, uncertainty),
        difference=_difference(configuration, _baseline(group, "source_only", configuration), uncertainty),
    )  # fmt: skip
    return row.model_copy(update=on_source)


def _stopped(run: TrackedRun) -> bool:
    """Whether a stop rule ended it before its last epoch; it has no result."""
    return run.status == "KILLED" and STOPPED in run.tags
