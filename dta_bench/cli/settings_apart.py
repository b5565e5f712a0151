"""What tells runs apart that a list would show alike: the settings of training in which they differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dta_bench.spec.spelling import spell_value

if TYPE_CHECKING:
    from dta_bench.spec.run_spec import RunSpec

PARTS = ("training", "label_subset", "budget")
SHOWN_ALREADY = ("benchmark", "backbone", "method", "params", "seed")


def settings_apart(specs: Sequence[RunSpec]) -> list[str]:
    """Of each of some runs that a list shows alike, the settings in which they differ: ``measure_every=4, epochs=2``.

    Args:
        specs: of the same benchmark, backbone, method, parameters and seed.

    Returns:
        In the order of ``specs``; empty texts where there is nothing but the identity to tell them apart by.
    """
    settings = [_settings(spec) for spec in specs]
    names = [name for name in settings[0] if len({repr(one.get(name)) for one in settings}) > 1]
    return [", ".join(f"{name}={_spell(one.get(name))}" for name in names) for one in settings]


def _settings(spec: RunSpec) -> dict[str, Any]:
    """Every setting of a run that is in no column, under the name that the command line has for it where it has one."""
    fields = spec.to_dict() | {"budget": {} if spec.budget is None else {"of": spec.budget.of}}
    found = {name: value for name, value in fields.items() if name not in (*PARTS, *SHOWN_ALREADY)}
    subset = {("labels" if key == "size" else f"labels_{key}"): value for key, value in fields["label_subset"].items()}
    budget = {"budget": fields["budget"].get("of", "none")}
    training: dict[str, Any] = fields["training"]
    return found | training | subset | budget


def _spell(value: object) -> str:
    return "none" if value in (None, {}, "") else spell_value(value)
