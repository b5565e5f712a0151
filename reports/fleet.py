"""A sweep on many machines, simulated as discrete events; run by ``make fleet``.

The simulation decides as a real sweep does: runs start in the plan's order where there is room, save a checkpoint every
``save`` seconds and at each epoch's end, and a run whose machine is taken away goes on from its last checkpoint at the
head of the queue. The durations of runs and the losses of
machines are drawn at random, and nothing else. Prints JSON.
"""

from __future__ import annotations

import argparse
import heapq
import json
import random
from dataclasses import dataclass, field

SEEDS = 10


@dataclass
class Fleet:
    """``nodes`` machines with ``slots`` runs each; a machine is lost on average every ``lost_hours`` and replaced."""

    nodes: int
    slots: int
    lost_hours: float
    replaced_seconds: float
    noticed: float  # share of losses that come with a notice, in which runs save


@dataclass
class Totals:
    """Seconds of one slot, summed over all slots, and events that the driver has to handle."""

    trained: float = 0.0
    repeated: float = 0.0
    started: float = 0.0
    losses: int = 0
    ends: list[float] = field(default_factory=list)


def replay(
    runs: int, epochs: int, epoch_seconds: float, fleet: Fleet, start_seconds: float, save: float, seed: int = 0
) -> dict[str, float]:
    """Simulate all runs to their end.

    Args:
        start_seconds: of a new worker process; a slot that goes on with its next run takes it only after a loss.
        save: seconds between two checkpoints.

    Returns: hours, shares, counts and rates by name.
    """
    draw = random.Random(seed)
    length = [epochs * epoch_seconds * draw.uniform(0.9, 1.1) for _ in range(runs)]
    left, queue, totals = dict(enumerate(length)), list(range(runs))[::-1], Totals()
    events: list[tuple[float, int, int, str]] = []
    running: dict[int, dict[int, tuple[int, float]]] = {node: {} for node in range(fleet.nodes)}
    for node in range(fleet.nodes):
        heapq.heappush(events, (draw.expovariate(1 / (3600 * fleet.lost_hours)), node, 0, "lost"))
        _fill(0.0, node, fleet, running, queue, left, events, start_seconds, totals)
    now = 0.0
    while left:
        now, node, slot, what = heapq.heappop(events)
        if what == "end" and slot in running[node] and abs(_end(running[node][slot], left) - now) < 1e-6:
            run, _ = running[node].pop(slot)
            totals.trained += length[run]
            totals.ends.append(now)
            del left[run]
            _fill(now, node, fleet, running, queue, left, events, 0.0, totals)
        elif what == "lost":
            _lose(now, node, fleet, running, queue, left, save, draw, totals)
            heapq.heappush(events, (now + fleet.replaced_seconds, node, 0, "back"))
        elif what == "back":
            heapq.heappush(events, (now + draw.expovariate(1 / (3600 * fleet.lost_hours)), node, 0, "lost"))
            _fill(now, node, fleet, running, queue, left, events, start_seconds, totals)
    offered = now * fleet.nodes * fleet.slots
    return {
        "hours": now / 3600,
        "utilisation": totals.trained / offered,
        "repeated_share": totals.repeated / totals.trained,
        "machines_lost": totals.losses,
        "runs_ended": len(totals.ends),
        "reports_a_second": runs * epochs / now,
        "last_tenth_hours": (now - sorted(totals.ends)[int(0.9 * runs) - 1]) / 3600,
    }


def _end(work: tuple[int, float], left: dict[int, float]) -> float:
    run, began = work
    return began + left[run]


def _fill(
    now: float, node: int, fleet: Fleet, running: dict[int, dict[int, tuple[int, float]]], queue: list[int],
    left: dict[int, float], events: list[tuple[float, int, int, str]], start: float, totals: Totals,
) -> None:  # fmt: skip
    for slot in range(fleet.slots):
        if queue and slot not in running[node]:
            running[node][slot] = (queue.pop(), now + start)
            totals.started += start
            heapq.heappush(events, (_end(running[node][slot], left), node, slot, "end"))


def _lose(
    now: float, node: int, fleet: Fleet, running: dict[int, dict[int, tuple[int, float]]], queue: list[int],
    left: dict[int, float], save: float, draw: random.Random, totals: Totals,
) -> None:  # fmt: skip
    totals.losses += 1
    noticed = draw.random() < fleet.noticed
    for run, began in running[node].values():
        done = max(0.0, now - began)
        again = 0.0 if noticed else done % save
        left[run] -= done - again
        totals.repeated += again
        queue.append(run)
    running[node].clear()


def main() -> None:
    """Simulate a fleet that the command line describes, with several seeds, and print the means."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in (("nodes", 50), ("slots", 4), ("runs", 1000), ("epochs", 20)):
        parser.add_argument(f"--{name}", type=int, default=value)
    for name, default in (("epoch-seconds", 300.0), ("lost-hours", 12.0), ("noticed", 0.8), ("save", 300.0)):
        parser.add_argument(f"--{name}", type=float, default=default)
    given = parser.parse_args()
    fleet = Fleet(given.nodes, given.slots, given.lost_hours, replaced_seconds=240.0, noticed=given.noticed)
    results = [
        replay(given.runs, given.epochs, given.epoch_seconds, fleet, start_seconds=20.0, save=given.save, seed=seed)
        for seed in range(SEEDS)
    ]
    means = {key: round(sum(result[key] for result in results) / SEEDS, 4) for key in results[0]}
    print(json.dumps(vars(given) | {"seeds": SEEDS} | means))


if __name__ == "__main__":
    main()
