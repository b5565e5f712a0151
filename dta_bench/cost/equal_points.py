"""What a sweep would cost if every method searched as many points as the method with the fewest."""

from __future__ import annotations

from collections.abc import Iterable

from dta_bench.cost.amount import Amount, amount_of, spell_amount, spell_money
from dta_bench.cost.sweep_estimate import Estimate
from dta_bench.spec.plan import Plan
from dta_bench.spec.run_spec import RunSpec


class EqualPoints(Amount):
    """What the sweep would cost with ``points`` points of each method that has a search."""

    points: int


def cost_of_equal_points(
    plan: Plan, costs: Estimate, search: Iterable[RunSpec], confirmation: Iterable[RunSpec]
) -> EqualPoints | None:
    """The cost with equal searches; None where they are equal, or where there is no estimate.

    The points of a method may differ in cost, and which of them stay is not known before: each counts as their mean.

    Args:
        costs: of all these runs.
        search: the runs of the search, none of which is done.
        confirmation: the runs that confirm, which stay.
    """
    points, hours = plan.equal_points(), costs["run_hours"]
    if points is None or costs["why"] or costs["too_small"]:
        return None
    counts = plan.points_by_method()
    kept = {method: points / count for method, count in counts.items() if plan.space(method).sets}
    whole = sum(hours[run.id] * kept.get(run.method, 1.0) for run in search)
    whole += sum(hours[run.id] for run in confirmation)
    amount = amount_of(whole, costs["price"], is_assumed=not costs["measured"], device=costs["device"])
    return EqualPoints(points=points, **amount)


def describe_equal_points(found: EqualPoints) -> str:
    """Say it: ``with --points 6, as many for every method: about 12.3 GPU hours, 30.75 at 2.5 an hour``."""
    money = f", {said}" if (said := spell_money(found)) else ""
    return f"with --points {found['points']}, as many for every method: about {spell_amount(found)}{money}"
