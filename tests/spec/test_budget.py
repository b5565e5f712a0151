"""A budget is spelled in one way, stands in a spec only where it is given, and is cut into stages without a rest."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_runs import spec_of

from dta_bench.spec.budget import Budget, canonical
from dta_bench.spec.run_spec import RunSpec


@pytest.mark.parametrize(
    ("typed", "spelled"),
    [
        ("steps", "steps"), ("steps=3000", "steps=3000"), ("steps=3e3", "steps=3000"), ("flops=1e15", "flops=1e+15"),
        ("epochs=20", "epochs=20"), ("none", ""), (None, ""), ({"steps": 3000}, "steps=3000"),
        ({"flops": "1e15"}, "flops=1e+15"),
    ],
)  # fmt: skip
def test_one_spelling(typed: object, spelled: str) -> None:
    assert canonical(typed) == spelled
    assert canonical(spelled) == spelled


@pytest.mark.parametrize(
    "typed", ["3000", "steps=", "steps=0", "steps=2.5", "steps=-1", "flops=inf", "epochs", "hours=3", "steps=nan", 5]
)
def test_anything_else_is_refused_with_what_is_allowed(typed: object) -> None:
    with pytest.raises(ValueError, match=r"is no budget.* allowed: steps, steps=3000, flops=1e15, epochs=20 or none"):
        canonical(typed)


def test_without_a_budget_a_spec_says_nothing_of_it() -> None:
    assert "budget" not in spec_of().to_dict()
    assert "budget" not in spec_of().identifying_fields()


def test_a_budget_is_part_of_the_spec_and_of_its_identity() -> None:
    within = dataclasses.replace(spec_of(), budget=Budget(of="steps=30", lengths=(15, 15)))
    assert RunSpec.from_dict(within.to_dict()) == within
    assert RunSpec.read_stored(within.to_dict()) == (within, ())
    assert len({within.id, spec_of().id, dataclasses.replace(within, budget=Budget(of="steps", lengths=(1,))).id}) == 3


@given(st.floats(0.01, 50), st.integers(1, 1000), st.integers(1, 50))
def test_a_length_in_epochs_is_of_the_benchmarks_epoch_and_one_in_steps_is_not(
    length: float, natural: int, epochs: int
) -> None:
    relative = Budget(of="steps", lengths=(length,)).batches(epochs, natural)
    assert relative == max(epochs, int(length * natural + 1e-6))
    assert Budget(of="steps=9", lengths=(length,)).batches(epochs, natural) == max(epochs, int(length + 1e-6))
