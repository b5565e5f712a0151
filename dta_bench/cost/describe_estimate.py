"""An estimate of what a sweep would cost, in sentences."""

from __future__ import annotations

from dta_bench.cost.amount import spell_amount, spell_money
from dta_bench.cost.assumed_rate import measured_instead
from dta_bench.cost.sweep_estimate import Estimate
from dta_bench.spec.spelling import count_of, join_words, spell_rate


def describe(found: Estimate) -> str:
    """Say the estimate, with the hours of each method where there are several, and its basis; or why there is none."""
    if found["why"] or found["too_small"]:
        return f"no estimate: {found['why'] or found['too_small']}"
    basis = "as given" if found["measured"] else f"{found['basis']}; {measured_instead(found['measure'])}"
    money = f", {spell_money(found)}," if found["cost"] is not None else ""
    return (
        f"Estimate: {spell_amount(found)}{money} for {count_of(found['runs'], 'run')}.{_by_method(found)} It counts "
        f"{found['steps']:,.0f} source-only steps, at {spell_rate(found['images_per_second'])} source images per second"
        f" ({basis}){_not_counted(found)}"
    )


def _by_method(found: Estimate) -> str:
    """The hours of each method, the dearest first; nothing where every figure would be 0.0, or for one method."""
    dearest = sorted(found["by_method"].items(), key=lambda item: -item[1])
    if len(dearest) < 2 or all(hours < 0.05 for _, hours in dearest):
        return ""
    middle = "" if found["measured"] else ", at the assumed rate"
    others = {name: f" (first stage of {join_words(of)})" for name, of in found["first_stages"].items()}
    told = [f"{name} {hours:.1f}{others.get(name, '')}" for name, hours in dearest]
    return f" Hours by method{middle}: {', '.join(told)}."


def _not_counted(found: Estimate) -> str:
    said = "; ".join(found["not_counted"])
    return f". Not counted: {said}" if said else ""
