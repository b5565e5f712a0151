"""Selection rules, computed after the fact from what each run stored; all read a run's last epoch.

Every rule gives each configuration one score, the mean over its seeds, and the highest score wins; among equals, the
one that was started first. A rule is unavailable, and never approximated, where the runs did not store what it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dta_bench.errors import UserError
from dta_bench.evaluation.label_free import label_free_criteria
from dta_bench.report.baselines import baselines
from dta_bench.report.configurations import Configuration, StoredRun
from dta_bench.report.selection import validators
from dta_bench.report.selection.explained import check_rule

Rule = Callable[[Sequence[Configuration], str], list[float]]


class Unavailable(UserError):
    """The runs did not store what a rule needs."""


def labels(configurations: Sequence[Configuration], headline: str) -> list[float]:
    """The paper's protocol: the headline metric on the small labelled subset of target train."""
    _require(configurations, "validation", "the rule labels chooses by labelled target images, and there are none")
    return [c.mean("validation", headline) for c in configurations]


def source(configurations: Sequence[Configuration], headline: str) -> list[float]:
    """The headline metric on held-out source images; needs no target label."""
    return [c.mean("source_validation", headline) for c in configurations]


def oracle(configurations: Sequence[Configuration], headline: str) -> list[float]:
    """The headline metric on target *test*: a bound for all rules, and no rule itself, because it reads test labels."""
    _require(configurations, "test", "the oracle reads the labels of target test, and no labelled target test is there")
    return [c.mean("test", headline) for c in configurations]


def _require(configurations: Sequence[Configuration], part: str, sentence: str) -> None:
    if not all(configuration.has(part) for configuration in configurations):
        raise Unavailable(f"{sentence}; rules that need no target label: {', '.join(LABEL_FREE)}")


def last(configurations: Sequence[Configuration], headline: str) -> list[float]:  # noqa: ARG001 - one signature for all rules
    """No choice at all: all scores are equal, so that the row that was started first wins, the published one."""
    return [0.0] * len(configurations)


def criterion(name: str, sign: float = 1.0) -> Rule:
    """A rule that reads one label-free criterion on all of target train; it needs no label."""

    def rule(configurations: Sequence[Configuration], headline: str) -> list[float]:  # noqa: ARG001
        return _mean_over_seeds(configurations, lambda run: sign * _criterion(run, name))

    return rule


def final(name: str) -> Rule:
    """A rule that reads one of ``FINAL``, measured from what a run stored at its end."""

    def rule(configurations: Sequence[Configuration], headline: str) -> list[float]:  # noqa: ARG001
        return _mean_over_seeds(configurations, FINAL[name])

    return rule


def mixval(configurations: Sequence[Configuration], headline: str) -> list[float]:  # noqa: ARG001
    """Mean rank of consistency on mixed target images, of one predicted class and of two (MixVal)."""
    kinds = (FINAL["mixval_intra"], FINAL["mixval_inter"])
    return validators.mean_rank(*(_mean_over_seeds(configurations, criterion_of) for criterion_of in kinds))


def _class_ami(run: StoredRun) -> float:
    """Agreement of predicted classes with clusters of the target's features."""
    stored = _stored(run, "target_train_logits", "probe_target_train_rows", "probe_target_train_features")
    logits, rows, features = stored
    return validators.class_ami(_floats(features), logits[rows].argmax(axis=1), logits.shape[1])


def _dev(run: StoredRun) -> float:
    """Minus the risk on source validation, weighted towards images that look like the target (DEV)."""
    logits, truth, rows = _stored(
        run, "source_validation_logits", "source_validation_labels", "probe_source_validation_rows"
    )
    names = ("source_train", "target_train", "source_validation")
    features = [_floats(one) for one in _stored(run, *(f"probe_{name}_features" for name in names))]
    losses = validators.cross_entropies(_floats(logits[rows]), truth[rows])
    return -validators.deep_embedded_validation(validators.density_ratio(*features), losses)


def _consistency(run: StoredRun, intra: bool) -> float:
    logits, guesses, kind = _stored(run, "probe_mixed_logits", "probe_mixed_labels", "probe_mixed_intra")
    chosen = kind.astype(bool) == intra
    if not chosen.any():  # a single predicted class has no image of another to be mixed with
        return 0.0
    return validators.interpolation_consistency(logits[chosen], guesses[chosen])


FINAL: dict[str, Callable[[StoredRun], float]] = {
    "class_ami": _class_ami,
    "dev": _dev,
    "mixval_intra": partial(_consistency, intra=True),
    "mixval_inter": partial(_consistency, intra=False),
}

RULES: dict[str, Rule] = {
    "labels": labels, "source": source, "entropy": criterion("entropy", -1.0),
    "information": criterion("information"), "bnm": criterion("bnm"), "snd": criterion("snd"),
    "class_ami": final("class_ami"), "dev": final("dev"), "mixval": mixval, "last": last, "oracle": oracle,
}  # fmt: skip


LABEL_FREE = tuple(rule for rule in RULES if rule not in ("labels", "last", "oracle"))
"""The rules that need no label of the target."""


def scores(configurations: Sequence[Configuration], rule: str, headline: str) -> list[float]:
    """The score that ``rule`` gives each configuration; higher is better.

    Raises:
        UserError: an unknown rule.
        Unavailable: the runs did not store what it needs.
    """
    check_rule(rule)
    return RULES[rule](configurations, headline)


def competitors(configurations: Sequence[Configuration]) -> list[Configuration]:
    """The configurations that a rule may choose from: no baselines, and only those with the most seeds.

    With fewer seeds a configuration could win by luck.
    """
    beside = baselines(c.method for c in configurations)
    candidates = [c for c in configurations if c.method not in beside]
    most = max((len(c.runs) for c in candidates), default=0)
    return [c for c in candidates if len(c.runs) == most]


def _mean_over_seeds(
    configurations: Sequence[Configuration], criterion_of: Callable[[StoredRun], float]
) -> list[float]:
    return [float(np.mean([criterion_of(run) for run in c.runs])) for c in configurations]


def _criterion(run: StoredRun, name: str) -> float:
    """As logged at the last epoch; of a run that did not log it, from its stored logits."""
    logged = run.tracked.metrics.get(f"target_train/{name}")
    return label_free_criteria(run.target_train_logits())[name] if logged is None else logged


def _stored(run: StoredRun, *names: str) -> list[NDArray[Any]]:
    """Arrays of a run.

    Raises:
        Unavailable: it has not stored one of them.
    """
    stored = run.fetch(names)
    if lacking := [name for name in names if name not in stored]:
        raise Unavailable(f"the run {run.tracked.name} has stored no {', '.join(lacking)}")
    return [stored[name] for name in names]


def _floats(half: NDArray[Any]) -> NDArray[np.floating]:
    return half.astype(np.float32)
