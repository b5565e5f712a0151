"""Which runs can be trained in a stack, and which of them in the same one."""

from __future__ import annotations

from typing import Any

from dta_bench.spec.method_plugin import method_plugin
from dta_bench.spec.run_spec import RunSpec

_OF_DTA = frozenset({"lambda_1", "lambda_2", "lambda_3", "delta_e", "delta_c", "ramp_up_epochs", "epsilon", "kl"})
KNOWN: dict[str, frozenset[str]] = {"dta": _OF_DTA, "dta_feature_vat": _OF_DTA, "source_only": frozenset()}
"""Method whose loss :mod:`dta_bench.nn.stacked.losses` has for many heads → the parameters that it knows; all others
have to be at their default."""


def can_stack(spec: RunSpec) -> bool:
    """Whether a run can be one of a stack, as far as its spec says."""
    training, params = spec.training, spec.params
    plain = (
        training.keeps_features and bool(training.neck_width) and training.precision == "float32"
        and training.accumulate == training.devices == 1 and training.clip_norm is None and not training.batchnorm
        and not training.players and training.restate is None and training.survey is None
        and not training.compile and not training.deterministic
    )  # fmt: skip
    if not plain or spec.method not in KNOWN:
        return False
    defaults = method_plugin(spec.method).defaults()
    return all(name in KNOWN[spec.method] or value == defaults.get(name) for name, value in params.items())


def stack_key(spec: RunSpec) -> tuple[Any, ...]:
    """What the runs of one stack have in common."""
    budget = spec.budget and spec.budget.model_dump_json()
    training, labels = spec.training.model_dump_json(), spec.label_subset.model_dump_json()
    return spec.benchmark, spec.backbone, spec.weights, spec.method, spec.params.get("kl"), training, labels, budget
