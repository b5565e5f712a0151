"""Selection rules, computed after the fact from what each run stored; all read a run's last epoch.

Every rule gives each configuration one score, from the mean over its seeds, and the highest score wins; among equals,
the one that was started first. A rule that the runs cannot serve is unavailable, never approximated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dta_bench.errors import UserError
from dta_bench.evaluation.label_free import label_free_criteria
from dta_bench.report.records import BASELINES, Configuration, Record
from dta_bench.report.selection import validators

Rule = Callable[[Sequence[Configuration], str], list[float]]


class Unavailable(UserError):
    """The runs did not store what a rule needs."""


def labels(found: Sequence[Configuration], headline: str) -> list[float]:
    """The paper's protocol: the headline metric on the small labelled subset of target train."""
    return [c.mean("validation", headline) for c in found]


def source(found: Sequence[Configuration], headline: str) -> list[float]:
    """The headline metric on held-out source images; needs no target label."""
    return [c.mean("source_validation", headline) for c in found]


def oracle(found: Sequence[Configuration], headline: str) -> list[float]:
    """The headline metric on target *test*: not a rule that anyone may use, but the bound for all others."""
    return [c.mean("test", headline) for c in found]


def last(found: Sequence[Configuration], headline: str) -> list[float]:  # noqa: ARG001 - one signature for all rules
    """No choice at all: the row that was started first, which is the published one, at its last epoch."""
    return [0.0] * len(found)


def criterion(name: str, sign: float = 1.0) -> Rule:
    """A rule that reads one label-free criterion on all of target train; it needs no label."""

    def rule(found: Sequence[Configuration], headline: str) -> list[float]:  # noqa: ARG001
        return _mean_over_seeds(found, lambda record: sign * _criterion(record, name))

    return rule


def final(name: str) -> Rule:
    """A rule that reads one of ``FINAL``, measured from what a run stored at its end."""

    def rule(found: Sequence[Configuration], headline: str) -> list[float]:  # noqa: ARG001
        return _mean_over_seeds(found, FINAL[name])

    return rule


def mixval(found: Sequence[Configuration], headline: str) -> list[float]:  # noqa: ARG001
    """Mean rank of consistency on mixed target images, of one predicted class and of two (MixVal)."""
    kinds = (FINAL["mixval_intra"], FINAL["mixval_inter"])
    return validators.mean_rank(*(_mean_over_seeds(found, of) for of in kinds))


def _class_ami(record: Record) -> float:
    """Agreement of predicted classes with clusters of the target's features."""
    stored = _stored(record, "target_train_logits", "probe_target_train_rows", "probe_target_train_features")
    logits, rows, features = stored
    return validators.class_ami(_floats(features), logits[rows].argmax(axis=1), logits.shape[1])


def _dev(record: Record) -> float:
    """Less the risk on source validation, weighted towards what looks like the target (DEV)."""
    logits, truth, rows = _stored(
        record, "source_validation_logits", "source_validation_labels", "probe_source_validation_rows"
    )
    names = ("source_train", "target_train", "source_validation")
    features = [_floats(one) for one in _stored(record, *(f"probe_{name}_features" for name in names))]
    losses = validators.cross_entropies(_floats(logits[rows]), truth[rows])
    return -validators.deep_embedded_validation(validators.density_ratio(*features), losses)


def _consistency(record: Record, intra: bool) -> float:
    logits, guesses, kind = _stored(record, "probe_mixed_logits", "probe_mixed_labels", "probe_mixed_intra")
    chosen = kind.astype(bool) == intra
    if not chosen.any():  # a single predicted class has no image of another to be mixed with
        return 0.0
    return validators.interpolation_consistency(logits[chosen], guesses[chosen])


FINAL: dict[str, Callable[[Record], float]] = {
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


def scores(found: Sequence[Configuration], rule: str, headline: str) -> list[float]:
    """What ``rule`` says of each configuration; higher is better.

    Raises:
        UserError: an unknown rule.
        Unavailable: the runs did not store what it needs.
    """
    if rule not in RULES:
        raise UserError(
            f"there is no selection rule named {rule!r}; there are: {', '.join(RULES)}, and all of them: all"
        )
    return RULES[rule](found, headline)


def competitors(found: Sequence[Configuration]) -> list[Configuration]:
    """Those that a rule may choose from: not the baselines, and only those with the most seeds, lest luck wins."""
    candidates = [c for c in found if c.method not in BASELINES]
    most = max((len(c.records) for c in candidates), default=0)
    return [c for c in candidates if len(c.records) == most]


def _mean_over_seeds(found: Sequence[Configuration], of: Callable[[Record], float]) -> list[float]:
    return [float(np.mean([of(record) for record in c.records])) for c in found]


def _criterion(record: Record, name: str) -> float:
    """As logged at the last epoch; of a run that did not log it, from its stored logits."""
    logged = record.run.metrics.get(f"target_train/{name}")
    return label_free_criteria(record.target_train_logits())[name] if logged is None else logged


def _stored(record: Record, *names: str) -> list[NDArray[Any]]:
    """Arrays of a run.

    Raises:
        Unavailable: it has not stored one of them.
    """
    found = record.fetch(names)
    if lacking := [name for name in names if name not in found]:
        raise Unavailable(f"the run {record.run.name} has stored no {', '.join(lacking)}")
    return [found[name] for name in names]


def _floats(half: NDArray[Any]) -> NDArray[np.floating]:
    return half.astype(np.float32)
