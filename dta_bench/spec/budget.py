"""A budget: how much training each run of a comparison gets, all its stages together."""

from __future__ import annotations

import math
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

UNITS = ("steps", "flops", "epochs")
ALLOWED = "steps, steps=3000, flops=1e15, epochs=20 or none"
NONE = "none"
"""Takes a file's budget back."""


class Budget(BaseModel):
    """The budget of one run, and the lengths of its stages that follow from it.

    Attributes:
        of: the budget as :func:`canonical` writes it; equal for all runs that may be compared.
        lengths: of each stage, the first stage first: in batches where the budget counts steps or FLOPs, else in epochs
            of the benchmark.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    of: str
    lengths: tuple[float, ...] = Field(min_length=1)

    def of_first_stage(self) -> Budget:
        """The same budget for the stage before the last one."""
        return Budget(of=self.of, lengths=self.lengths[:-1])

    def batches(self, epochs: int, natural: int) -> int:
        """Batches of the last stage, at least one an epoch.

        Args:
            epochs: of the stage.
            natural: batches of an epoch of the benchmark.
        """
        length = self.lengths[-1] * (natural if is_relative(self.of) else 1)
        return max(epochs, math.floor(length + 1e-6))


def canonical(given: Any) -> str:
    """Return a budget in its one spelling, ``steps=3000``; empty for ``none``.

    Args:
        given: as typed (``steps``, ``flops=1e15``), or a mapping of the unit to its amount, as YAML gives.

    Raises:
        ValueError: it is none of what is allowed, in words.
    """
    if isinstance(given, dict) and len(given) == 1:
        ((unit, amount),) = given.items()
        given = f"{unit}={amount}"
    if given in (None, "", NONE):
        return ""
    if given == "steps":
        return "steps"
    unit, equals, text = str(given).partition("=")
    try:
        amount = float(text)
    except ValueError:
        amount = math.nan
    if unit not in UNITS or not equals or not 0 < amount < math.inf:
        raise ValueError(f"{given} is no budget; allowed: {ALLOWED}")
    if unit != "flops" and (amount < 1 or not amount.is_integer()):
        raise ValueError(f"{given} is no budget, as {unit} are counted in whole numbers; allowed: {ALLOWED}")
    return f"{unit}={amount:g}" if unit == "flops" else f"{unit}={int(amount)}"


def unit_and_amount(budget: str) -> tuple[str, float | None]:
    """The unit of a canonical budget, and its amount; None for the steps of ``source_only``."""
    unit, _, amount = budget.partition("=")
    return unit, float(amount) if amount else None


def is_relative(budget: str) -> bool:
    """Whether a budget is in epochs of the benchmark, whose length the data decide."""
    return budget == "steps" or budget.startswith("epochs=")
