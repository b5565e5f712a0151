"""Selection rules, computed after the fact from what each run stored.

Every rule gives a configuration one score, the mean over its seeds, and the highest score wins; among equals, the one
that was started first.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dta_bench.errors import UserError
from dta_bench.label_free import label_free
from dta_bench.report.records import BASELINES, Configuration

Rule = Callable[[Configuration, str], float]


def labels(configuration: Configuration, headline: str) -> float:
    """The paper's protocol: the headline metric on the small labelled subset of target train."""
    return configuration.mean("validation", headline)


def source(configuration: Configuration, headline: str) -> float:
    """The headline metric on held-out source images; needs no target label."""
    return configuration.mean("source_validation", headline)


def entropy(configuration: Configuration, headline: str) -> float:  # noqa: ARG001 - one signature for all rules
    """Less the mean conditional entropy of target train's predictions (nats); needs no label."""
    found = [label_free(r.target_train_logits()) for r in configuration.records]
    return -float(np.mean([one["entropy"] for one in found]))


def oracle(configuration: Configuration, headline: str) -> float:
    """The headline metric on target *test*: not a rule that anyone may use, but the bound for all others."""
    return configuration.mean("test", headline)


RULES: dict[str, Rule] = {"labels": labels, "source": source, "entropy": entropy, "oracle": oracle}


def scores(found: list[Configuration], rule: str, headline: str) -> list[float]:
    """What ``rule`` says of each configuration; higher is better.

    Raises:
        UserError: an unknown rule.
    """
    if rule not in RULES:
        raise UserError(f"there is no selection rule named {rule!r}; there are: {', '.join(RULES)}")
    return [RULES[rule](configuration, headline) for configuration in found]


def competitors(found: list[Configuration]) -> list[Configuration]:
    """Those that a rule may choose from: not the baselines, and only those with the most seeds, lest luck wins."""
    candidates = [c for c in found if c.method not in BASELINES]
    most = max((len(c.records) for c in candidates), default=0)
    return [c for c in candidates if len(c.records) == most]
