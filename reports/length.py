"""How long runs must be before the ranking of the methods settles: the curves behind ``length.md``.

    python reports/length.py train [--parallel 2]     (resumable; one line a run into length.jsonl)
    python reports/length.py page > length.md

Every method at the first point of its own sets, three seeds, constant learning rate. Target test is measured at each
length: this study is about the benchmark, and no configuration is chosen by it. A method of two stages gets a run of
its own for each length, since its first stage is part of the length.
"""

from __future__ import annotations

import argparse
import copy
import json
import multiprocessing
import sys
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats

from dta_bench.nn import batch_norm
from dta_bench.nn.network import Labelled, Unlabelled
from dta_bench.run import train
from dta_bench.run.placement import Placement
from dta_bench.run.resolve import resolve
from dta_bench.spec import search_space_file
from dta_bench.spec.method_plugin import method_plugin
from dta_bench.spec.plan import Options, Plan
from dta_bench.spec.run_spec import RunSpec
from dta_bench.sweep.choose_runs import make_plan

KEPT = Path(__file__).with_name("length.jsonl")
PAIR, BACKBONE, SEEDS, EPOCH = "digits", "conv3_tiny", 3, 100
LENGTHS = (500, 1000, 2000, 3000)
ENOUGH = 0.95
LEFT_OUT = {"gta": "its generator takes about a second a step on one core, nearly three hours for three seeds"}
INTRODUCTION = """# How long must a comparison train?

Made by `make length`. {methods} methods on `{pair}` with {backbone}, batches of 32 + 32, Adam at a constant rate of
0.001, each at the first point of its own sets, {seeds} seeds, all stages inside the length. Target test accuracy in
percent, mean over seeds with their standard deviation in brackets; no configuration was chosen by it. A method of two
stages has a run of its own for each length. Schedules that depend on progress (DANN, CDAN, MDD and others) are those
of a run of {last:,} steps.

| steps | agreement of means | across seeds |
|---:|---:|---:|
{agreement}

Agreement is Kendall's tau with the ranking at {last:,} steps: of the means over seeds, and of one seed with another.
The second has no run in common, so its value in the last row is what another seed alone changes. From
**{settled:,} steps** on it stays within {slack} % of that: training longer moves the ranking no more than another seed
does.
"""
Scores = dict[str, NDArray[np.float64]]
"""Method → target test accuracy in percent, (seeds, lengths)."""


def plan_of(length: int) -> Plan:
    """Every method's first point with all stages inside ``length`` steps."""
    options = Options(
        methods=("all",),
        points=1,
        seeds=SEEDS,
        epochs=length // EPOCH,
        backbones=(BACKBONE,),
        training=(f"measure_every={length // EPOCH}",),
        budget=f"steps={length}",
    )
    return make_plan(f"compare_{PAIR}", search_space_file.read(f"compare_{PAIR}"), options)


def jobs() -> list[tuple[RunSpec, tuple[int, ...]]]:
    """Runs, and the lengths at which each is measured; all methods of one seed before the next seed."""
    chosen = []
    for length in LENGTHS:
        for spec in plan_of(length).runs:
            has_stages = method_plugin(spec.method).before(spec.params) is not None
            if spec.method not in LEFT_OUT and (has_stages or length == LENGTHS[-1]):
                chosen.append((spec, (length,) if has_stages else LENGTHS))
    return sorted(chosen, key=lambda job: (job[0].seed, job[0].method, job[1]))


Batch = tuple[Labelled, Unlabelled]
_made: dict[tuple[int, int, int], list[Batch]] = {}
"""Batches of the epochs (number, steps) of a seed, for the next method of this process."""


def share_batches(run: train.Run) -> None:
    """Let a run take its batches from an earlier one of the same seed: making them is a third of a step here."""
    batches, make = run.batches, run.batches.epoch
    if run.resolved.method.second_view or batches.source_odds is not None:
        return

    def epoch(number: int, start_step: int = 0) -> Iterator[Batch]:
        key = (batches.seed, number, batches.steps)
        if key not in _made:
            for of_another_seed in [other for other in _made if other[0] != batches.seed]:
                del _made[of_another_seed]
            _made[key] = [copy.deepcopy(batch) for batch in make(number)]  # the maker writes over its buffers
        return iter(_made[key][start_step:])

    batches.epoch = epoch  # type: ignore[method-assign]


def measure(job: tuple[RunSpec, tuple[int, ...]]) -> list[dict[str, Any]]:
    """Train one run, and return its target test accuracy at each length."""
    torch.set_num_threads(1)
    spec, lengths = job
    resolved, placement = resolve(spec, "data"), Placement(torch.device("cpu"))
    run = train.Run(resolved, placement, train.train_first_stage(resolved, placement))
    share_batches(run)
    rows = []
    assert run.splits.target_test is not None
    while run.epoch <= spec.training.epochs:
        run.train_epoch()
        run.start_next_epoch()
        at = (run.epoch - 1) * EPOCH
        if at in lengths:
            statistics = batch_norm.running_statistics(run.learner)
            run.restate_statistics()
            accuracy = run.evaluator.evaluate(run.splits.target_test).scores.accuracy
            batch_norm.put_back(statistics)
            rows.append({"method": spec.method, "seed": spec.seed, "steps": at, "accuracy": round(accuracy, 4)})
    return [row | {"run": spec.id, "seconds": round(run.seconds, 1)} for row in rows]


def train_all(parallel: int) -> None:
    """Train what is not in the kept lines yet."""
    done = {row["run"] for row in kept_rows()}
    waiting = [job for job in jobs() if job[0].id not in done]
    print(f"{len(waiting)} of {len(jobs())} runs to do", file=sys.stderr)
    with multiprocessing.get_context("spawn").Pool(parallel) as pool, KEPT.open("a") as lines:
        for done_now, rows in enumerate(pool.imap_unordered(measure, waiting), 1):
            lines.writelines(json.dumps(row) + "\n" for row in rows)
            lines.flush()
            last = rows[-1]
            print(f"{done_now}: {last['method']} seed {last['seed']} {last['accuracy']:.1f} %, {last['seconds']:.0f} s",
                  file=sys.stderr)  # fmt: skip


def kept_rows() -> list[dict[str, Any]]:
    """The kept lines."""
    return [json.loads(line) for line in KEPT.read_text().splitlines()] if KEPT.exists() else []


def whole_seeds(rows: list[dict[str, Any]]) -> int:
    """How many seeds every method has at all lengths, where it is two or more; else all are asked for."""
    methods, found = {row["method"] for row in rows}, {(row["method"], row["seed"], row["steps"]) for row in rows}
    whole = [seed for seed in range(SEEDS) if {(name, seed, at) for name in methods for at in LENGTHS} <= found]
    return len(whole) if whole == list(range(len(whole))) and len(whole) > 1 else SEEDS


def scores_of(rows: list[dict[str, Any]]) -> Scores:
    """The accuracies of the methods that have all of these seeds and lengths; the others are still to be trained."""
    found = {(row["method"], row["seed"], row["steps"]): row["accuracy"] for row in rows}
    methods, seeds = sorted({row["method"] for row in rows}), range(whole_seeds(rows))
    cells = {name: [[found.get((name, seed, at)) for at in LENGTHS] for seed in seeds] for name in methods}
    return {name: np.array(grid, dtype=float) for name, grid in cells.items() if all(None not in row for row in grid)}


def agreement(scores: Scores, at: int) -> tuple[float, float]:
    """How well the ranking at one length agrees with that at the last one, both by Kendall's tau-b.

    Args:
        at: index of the length.

    Returns:
        Of the means over seeds, which share their runs; and, averaged over all ordered pairs of seeds, of one seed at
        this length with another seed at the last length, which share nothing.
    """
    cube = np.stack(list(scores.values()))  # (methods, seeds, lengths)
    of_means = stats.kendalltau(cube[:, :, at].mean(axis=1), cube[:, :, -1].mean(axis=1)).statistic
    pairs = permutations(range(cube.shape[1]), 2)
    across = [stats.kendalltau(cube[:, a, at], cube[:, b, -1]).statistic for a, b in pairs]
    return float(of_means), float(np.mean(across))


def settled(scores: Scores) -> int:
    """The shortest length whose ranking tells another seed's ranking at the end as well as the end's own does."""
    across = [agreement(scores, at)[1] for at in range(len(LENGTHS))]
    good = [value >= ENOUGH * across[-1] for value in across]
    return next(length for at, length in enumerate(LENGTHS) if all(good[at:]))


def page() -> str:
    """The page as Markdown."""
    kept = kept_rows()
    scores, seeds = scores_of(kept), whole_seeds(kept)
    plan = plan_of(LENGTHS[-1])
    missing = sorted({spec.method for spec in plan.runs} - set(scores))
    by_end = sorted(scores, key=lambda name: -scores[name][:, -1].mean())
    rows = [(length, *agreement(scores, at)) for at, length in enumerate(LENGTHS)]
    text = INTRODUCTION.format(
        methods=len(scores), pair=PAIR, backbone=BACKBONE, seeds=seeds, last=LENGTHS[-1], settled=settled(scores),
        slack=100 - round(100 * ENOUGH),
        agreement="\n".join(f"| {length:,} | {means:.2f} | {across:.2f} |" for length, means, across in rows),
    )  # fmt: skip
    lines = [
        text,
        "| method | " + " | ".join(f"{length:,}" for length in LENGTHS) + " |",
        "|---|" + "---:|" * len(LENGTHS),
        *(f"| {name} | " + " | ".join(spell_cell(column) for column in scores[name].T) + " |" for name in by_end),
        "",
    ]
    left_out = [f"`{name}` is not run: {reason}." for name, reason in LEFT_OUT.items()]
    unfinished = [name for name in missing if name not in LEFT_OUT]
    if seeds < SEEDS:
        unfinished.append(f"the seeds {seeds} to {SEEDS - 1}" if SEEDS - seeds > 1 else f"seed {seeds}")
    return "\n".join([*lines, *left_out, *([f"Not finished: {', '.join(unfinished)}."] if unfinished else [])])


def spell_cell(scores: NDArray[np.float64]) -> str:
    """Mean and standard deviation over seeds."""
    return f"{scores.mean():.1f} ({scores.std(ddof=1):.1f})"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("train", "page"))
    parser.add_argument("--parallel", type=int, default=2)
    asked = parser.parse_args()
    print(page()) if asked.what == "page" else train_all(asked.parallel)
