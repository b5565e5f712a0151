"""Learning-rate schedules: their names, their options, and the factor by which each multiplies the rate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

Schedule = Literal["constant", "step", "multistep", "cosine", "poly", "inverse_iterations", "inverse_progress"]

Positive = Annotated[float, Field(gt=0, lt=math.inf)]
Factor = Annotated[float, Field(gt=0, le=1)]
Count = Annotated[int, Field(gt=0)]


class Options(BaseModel):
    """What a schedule can be told. ``constant`` has nothing to tell."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def factor(self, epoch: int, iteration: int, total: int) -> float:  # noqa: ARG002 - each reads what it needs
        """The factor of the learning rate in one step.

        Args:
            epoch: counted from 1.
            iteration: steps done in the whole run, from 0.
            total: steps of the whole run.
        """
        return 1.0


class Step(Options):
    """Multiplied by ``factor`` after every ``every`` epochs."""

    every: Count
    by: Factor = Field(default=0.1, alias="factor")

    def factor(self, epoch: int, iteration: int, total: int) -> float:  # noqa: ARG002
        """See :meth:`Options.factor`."""
        return float(self.by ** ((epoch - 1) // self.every))


class MultiStep(Options):
    """Multiplied by ``factor`` at the end of each epoch of ``at``."""

    at: tuple[Count, ...] = Field(min_length=1)
    by: Factor = Field(default=0.1, alias="factor")

    @field_validator("at")
    @classmethod
    def _rises(cls, at: tuple[int, ...]) -> tuple[int, ...]:
        if any(later <= earlier for earlier, later in pairwise(at)):
            raise ValueError(f"the epochs {', '.join(map(str, at))} do not rise")
        return at

    def factor(self, epoch: int, iteration: int, total: int) -> float:  # noqa: ARG002
        """See :meth:`Options.factor`."""
        return float(self.by ** sum(epoch > end for end in self.at))


class Cosine(Options):
    """(1 + cos(pi q)) / 2, with q from 0 to 1 over the run, or over ``iterations`` if given."""

    iterations: Count | None = None

    def factor(self, epoch: int, iteration: int, total: int) -> float:  # noqa: ARG002
        """See :meth:`Options.factor`."""
        return (1 + math.cos(math.pi * min(1.0, iteration / (self.iterations or total)))) / 2


class Poly(Options):
    """(1 - q)^power, with q from 0 to 1 over the run, or over ``iterations`` if given."""

    power: Positive = 0.9
    iterations: Count | None = None

    def factor(self, epoch: int, iteration: int, total: int) -> float:  # noqa: ARG002
        """See :meth:`Options.factor`."""
        return float((1 - min(1.0, iteration / (self.iterations or total))) ** self.power)


class InverseIterations(Options):
    """(1 + gamma i)^-power, with i the steps that are done."""

    gamma: Positive = 0.001
    power: Positive = 0.75

    def factor(self, epoch: int, iteration: int, total: int) -> float:  # noqa: ARG002
        """See :meth:`Options.factor`."""
        return float((1 + self.gamma * iteration) ** -self.power)


class InverseProgress(Options):
    """(1 + gamma q)^-power, with q from 0 to 1 over the run."""

    gamma: Positive = 10.0
    power: Positive = 0.75

    def factor(self, epoch: int, iteration: int, total: int) -> float:  # noqa: ARG002
        """See :meth:`Options.factor`."""
        return float((1 + self.gamma * iteration / total) ** -self.power)


SCHEDULES: Mapping[str, type[Options]] = {
    "constant": Options,
    "step": Step,
    "multistep": MultiStep,
    "cosine": Cosine,
    "poly": Poly,
    "inverse_iterations": InverseIterations,
    "inverse_progress": InverseProgress,
}
if set(SCHEDULES) != set(get_args(Schedule)):
    raise AssertionError("every schedule has its options")

WARM_UP_START = 1e-6
"""The factor of the first step of a warm-up, as in mmcv, with which DAFormer was trained."""


def whole_options(schedule: str | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """All options of a schedule, those that are not given at their defaults.

    Raises:
        ValueError: an option that the schedule does not have, or a value that it does not take.
    """
    if schedule is None:
        if options:
            raise ValueError(f"it has {', '.join(options)}, but there is no schedule; give one")
        return {}
    try:
        return SCHEDULES[schedule].model_validate(dict(options)).model_dump(mode="json", by_alias=True)
    except ValidationError as refused:
        raise ValueError("; ".join(_explain(schedule, error) for error in refused.errors())) from refused


def _explain(schedule: str, error: Any) -> str:
    """One mistake in the options in words."""
    name = str(error["loc"][0])
    known = [field.alias or key for key, field in SCHEDULES[schedule].model_fields.items()]
    if error["type"] == "extra_forbidden":
        return f"{name} is no option of the schedule {schedule}; allowed: {', '.join(known) or 'none'}"
    if error["type"] == "missing":
        return f"the schedule {schedule} needs {name}"
    reason = str(error["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    return f"{name} of the schedule {schedule} is {error['input']!r}; {reason}"


def schedule_factor(schedule: str, options: Mapping[str, Any], epoch: int, iteration: int, total: int) -> float:
    """The factor by which a schedule multiplies the learning rate in one step, see :meth:`Options.factor`."""
    return SCHEDULES[schedule].model_validate(dict(options)).factor(epoch, iteration, total)


def warm_up_factor(warm_up: int, iteration: int) -> float:
    """The factor of a warm-up: it rises linearly from almost 0 to 1 over ``warm_up`` steps, on top of the schedule."""
    if iteration >= warm_up:
        return 1.0
    return WARM_UP_START + (1 - WARM_UP_START) * iteration / warm_up
