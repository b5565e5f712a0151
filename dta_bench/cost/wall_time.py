"""How long a sweep would take on the clock: its runs, one after the other, on the GPUs that there are."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from dta_bench.cost.assumed_rate import Range, range_at_assumed_rate
from dta_bench.errors import UserError
from dta_bench.spec.spelling import count_of

LESS_THAN_A_MINUTE = "less than a minute"


@dataclass(frozen=True)
class Machines:
    """What trains: how many GPUs, and how many runs at a time.

    Attributes:
        gpus: None where nobody said how many; then those of one run.
        gpus_per_run: below 1, runs share a GPU and are that much slower; 0 (no GPU) counts as 1.
        parallel: the most runs at a time; None: as many as there is room for.
        is_auto: how many runs share a GPU is measured when the sweep runs; until then, one.
    """

    gpus: int | None = None
    gpus_per_run: float = 1.0
    parallel: int | None = None
    is_auto: bool = False

    def runs_at_a_time(self, devices: int) -> int:
        """Return how many runs on so many devices each have room.

        Raises:
            UserError: not even one has.
        """
        share = self.gpus_per_run or 1.0
        needed = self._of_one_run(devices)
        room = self.count(devices) // needed * (math.floor(1 / share) if share < 1 else 1)
        if not room:
            raise UserError(f"--gpus {self.gpus} is too few: one run takes {needed} GPUs")
        return min(room, self.parallel or room)

    def count(self, devices: int) -> int:
        """Return how many GPUs there are, for runs on so many devices each."""
        return self.gpus or self._of_one_run(devices)

    def count_in_use(self, devices: int) -> int:
        """Return how many of them train while as many runs go as can at a time; runs that share get one each first."""
        return min(self.count(devices), self.runs_at_a_time(devices) * self._of_one_run(devices))

    def _of_one_run(self, devices: int) -> int:
        return devices * max(1, math.ceil(self.gpus_per_run))


class WallTime(TypedDict):
    """How long runs would take.

    Attributes:
        gpus_in_use: those of ``gpus`` that train while as many runs go as can at a time.
        hours: until the last one ends.
        hours_range: where the rate was assumed, between which hours the true ones are assumed to lie; else None.
        longest_run_hours: of the run that takes longest, its first stage included.
        longest_run_hours_range: as ``hours_range``.
    """

    gpus: int
    gpus_in_use: int
    runs_at_a_time: int
    hours: float
    hours_range: Range | None
    longest_run_hours: float
    longest_run_hours_range: Range | None


def wall_time(
    phases: Sequence[Sequence[float]], machines: Machines, devices: int = 1, *, is_assumed: bool = False
) -> WallTime:
    """Estimate how long runs take that start in their order, each as soon as there is room for it.

    Args:
        phases: GPU hours of each run of the search, then of each that confirms, which waits for all of the search.
        devices: of one run; it is taken to be as many times as fast.
        is_assumed: the hours were counted at the assumed rate.

    Raises:
        UserError: a run needs more GPUs than there are.
    """
    room = machines.runs_at_a_time(devices)
    gpus = machines.count(devices)
    slower = max(1, math.ceil(room / gpus)) if machines.gpus_per_run < 1 else 1
    took = [[hours * slower / devices for hours in phase] for phase in phases]
    longest = max((hours for phase in took for hours in phase), default=0.0)
    hours = sum(_last_end(phase, room) for phase in took)
    return WallTime(
        gpus=gpus, gpus_in_use=machines.count_in_use(devices), runs_at_a_time=room, hours=hours,
        hours_range=range_at_assumed_rate(hours) if is_assumed else None,
        longest_run_hours=longest, longest_run_hours_range=range_at_assumed_rate(longest) if is_assumed else None,
    )  # fmt: skip


def _last_end(durations: Sequence[float], room: int) -> float:
    ends = [0.0] * room
    for hours in durations:
        heapq.heappush(ends, heapq.heappop(ends) + hours)
    return max(ends)


def describe_wall_time(found: WallTime, machines: Machines, device: str = "GPU") -> str:
    """Say in one sentence how long the runs take, on what, and what was assumed.

    Args:
        device: what the rate is of, in the singular.
    """
    in_use, of_all = found["gpus_in_use"], count_of(found["gpus"], device)
    on = f"{of_all} that {'is' if in_use == 1 else 'are'} always busy"
    if in_use < found["gpus"]:
        on = f"{in_use} of {of_all}, always busy"
    runs = "one run at a time" if found["runs_at_a_time"] == 1 else f"{found['runs_at_a_time']} runs at a time"
    auto = "; --gpus-per-run auto may fit more" if machines.is_auto else ""
    hint = "; for N of them: --gpus N" if machines.gpus is None else ""
    hours, longest = found["hours_range"], found["longest_run_hours_range"]
    time = spell_time_range(hours) if hours else spell_hours(found["hours"])
    about = "" if hours or time == LESS_THAN_A_MINUTE else "about "
    return (
        f"Time: {about}{time} on {on}, with "
        f"{runs}{auto}; the longest run takes "
        f"{spell_time_range(longest) if longest else spell_hours(found['longest_run_hours'])}{hint}"
    )


def spell_hours(hours: float) -> str:
    """Spell a time: ``less than a minute``, ``14 minutes``, ``3.8 hours``, ``9.6 days``."""
    if hours < 1 / 60:
        return LESS_THAN_A_MINUTE
    if hours < 1.5:
        return count_of(round(hours * 60), "minute")
    return f"{hours:.1f} hours" if hours < 48 else f"{hours / 24:.1f} days"


def spell_time_range(bounds: Range) -> str:
    """Spell a range of times: ``7 to 30 minutes``, ``3.8 to 15.2 hours``, ``2.5 to 10.0 days``."""
    low, high = bounds
    if high < 1 / 60:
        return LESS_THAN_A_MINUTE
    if high < 1.5:
        return f"{60 * low:.0f} to {count_of(round(60 * high), 'minute')}"
    return f"{low:.1f} to {high:.1f} hours" if high < 48 else f"{low / 24:.1f} to {high / 24:.1f} days"
