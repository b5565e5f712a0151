"""What the rule chose of each method on each pair of a suite, from the runs of a store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.data.suite_plugin import Suite, SuitePair
from dta_bench.report.baselines import is_in_tests_of_a_suite
from dta_bench.report.configurations import Configuration, group_runs
from dta_bench.report.document.run_details import LeftOut
from dta_bench.report.left_out import as_left_out, left_out_of
from dta_bench.report.selection.ranking import choices, rank
from dta_bench.report.summary import reported_group, rule_or_default
from dta_bench.report.uncertainty import Uncertainty
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.declared_method import trains_nothing
from dta_bench.tracking import Tracker, standing_runs

Network = tuple[str, str]
"""Backbone and weights."""


@dataclass(frozen=True)
class Searched:
    """How large the searches of a pair's configurations were, as the options of a sweep say it.

    Attributes:
        points: of each method.
        seeds: of most configurations.
        first_seed: the lowest.
        confirm: the most confirmation runs of a configuration.
    """

    points: Mapping[str, int] = field(default_factory=dict)
    seeds: int = 1
    first_seed: int = 0
    confirm: int = 0


@dataclass(frozen=True)
class PairChoice:
    """What was chosen on one pair.

    Attributes:
        methods: method → its chosen configuration, by confirmation runs where it has any.
        uncertainty: intervals of these.
        runs: how many finished runs the pair's group has.
        left_out: its runs of another training, labelled subset, data or network.
        searched: how large the searches of these configurations were.
    """

    pair: SuitePair
    benchmark: Benchmark
    rule: str
    methods: Mapping[str, Configuration]
    uncertainty: Uncertainty
    runs: int
    left_out: Sequence[LeftOut]
    searched: Searched = field(default_factory=Searched)


def choose(
    suite: Suite, pairs: Sequence[SuitePair], tracker: Tracker, rule: str | None, only: Collection[str] | None = None
) -> tuple[list[PairChoice], Network]:
    """Choose on each pair that has finished runs, all on the network that most runs of the suite have.

    Args:
        rule: a selection rule; None takes the default.
        only: identities of the runs to look at; None: all.

    Returns: the choices, and the backbone and weights that they are of.

    Raises:
        UserError: an unknown rule.
    """
    groups = [(pair, group, others) for pair in pairs for group, others in _group(suite, pair, tracker, only)]
    networks = Counter[Network]()
    for c in (c for _, group, _ in groups for c in group):
        networks[c.backbone, c.weights] += len(c.every_run)
    if not networks:
        return [], ("", "")
    network = networks.most_common(1)[0][0]
    found = [_choose(suite, pair, group, others, network, rule) for pair, group, others in groups]
    return [one for one in found if one.methods], network


def _group(
    suite: Suite, pair: SuitePair, tracker: Tracker, only: Collection[str] | None
) -> list[tuple[list[Configuration], list[LeftOut]]]:
    """The comparable group with the most runs, and what is in others; empty without any run."""
    name = suite.benchmark(pair)
    stored = [run for run in tracker.runs(name) if (only is None or run.run_id in only) and not run.unknown_fields]
    runs = [run for run in standing_runs(stored)[0] if run.status == "FINISHED"]
    if not runs:
        return []
    configurations = group_runs(tracker, runs)
    group = reported_group(configurations, benchmark_of(name))
    return [(group, left_out_of(configurations, group))]


def _choose(
    suite: Suite,
    pair: SuitePair,
    group: list[Configuration],
    others: list[LeftOut],
    network: Network,
    rule: str | None,
) -> PairChoice:
    benchmark = benchmark_of(suite.benchmark(pair))
    rule, _ = rule_or_default(rule, group, benchmark)
    own = [c for c in group if (c.backbone, c.weights) == network]
    chosen = choices([c for c, _ in rank(own, rule, benchmark.headline)]) if own else []
    methods = {c.method: c.shown for c in chosen if c.shown.has("test")}
    uncertainty = Uncertainty([c for c in methods.values() if is_in_tests_of_a_suite(c.method)], benchmark.headline)
    left_out = [*others, *_on_other_networks(group, network)]
    runs = sum(len(c.every_run) for c in own)
    return PairChoice(pair, benchmark, rule, methods, uncertainty, runs, left_out, _searched(own))


def _searched(configurations: Sequence[Configuration]) -> Searched:
    points = Counter(c.method for c in configurations)
    seeds = [[run.spec.seed for run in c.searched.runs] for c in configurations if not trains_nothing(c.method)]
    counts = Counter(len(own) for own in seeds if own)
    return Searched(
        points, counts.most_common(1)[0][0] if counts else 1, min((own[0] for own in seeds if own), default=0),
        max((len(c.confirmation) for c in configurations), default=0),
    )  # fmt: skip


def _on_other_networks(group: Sequence[Configuration], network: Network) -> list[LeftOut]:
    """Comparable runs on another backbone, or with other weights, than most runs of the suite."""
    others: dict[Network, list[Configuration]] = {}
    for configuration in group:
        others.setdefault((configuration.backbone, configuration.weights), []).append(configuration)
    return [
        as_left_out(found, [f"{' with '.join(other)} weights instead of {' with '.join(network)} weights"])
        for other, found in others.items()
        if other != network
    ]
