"""What the differences that remain from the released code do: ``reports/released_differences.md``.

    python reports/released_differences.py train [--parallel 2]     (resumable; one line a run into .jsonl)
    python reports/released_differences.py page > released_differences.md

The authors' code differs from ours in how it makes the masked passes of the target. Each difference is made here, alone
and together, in training runs of ``dta`` with class balance 0.1, as ``compare_digits`` and ``compare_fonts_digits``
train. Settings that the paper leaves open are varied in the same runs. Runs of one seed share
first weights and batches.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
import multiprocessing
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from dta_bench.methods import dta
from dta_bench.nn import adversarial_dropout
from dta_bench.nn.adversarial_dropout import TargetPass, flip_bits
from dta_bench.run import train
from dta_bench.run.placement import Placement
from dta_bench.run.resolve import resolve
from dta_bench.spec import search_space_file
from dta_bench.spec.plan import Options
from dta_bench.spec.run_spec import RunSpec
from dta_bench.sweep.choose_runs import make_plan

KEPT = Path(__file__).with_name("released_differences.jsonl")
PAIRS, SEEDS, CLASS_BALANCE = ("digits", "fonts_digits"), (0, 1, 2), 0.1
INTRODUCTION = """# What the differences from the released code do

Made by `make released-differences`. Target test accuracy in percent of `dta` with class balance {balance:g}, mean over
{seeds} seeds, trained as the comparison of each pair is, and its difference from our step with a 95 % interval by
Student's t over seeds, which share first weights and batches. An interval that holds 0 shows no difference; three seeds
make it wide. The rows are looked at one by one, without a correction for their number.
"""


class KeepsZeroFlips(TargetPass):
    """Where delta * C rounds to no unit, the divergence under the mask of ones stays; only dropout makes it."""

    def adversarial_logits(self, delta_c: float, delta_e: float) -> tuple[Tensor | None, Tensor | None]:
        with adversarial_dropout.frozen_statistics(self.net), torch.enable_grad():
            impact_f, impact_c, hidden = self._impacts(delta_c > 0, delta_e > 0)
            m_f, m_c = flip_bits(self.m_f, impact_f, delta_c), flip_bits(self.m_c, impact_c, delta_e)
            p_f = self._under_feature_mask(m_f) if delta_c > 0 else None
            return p_f, self._under_hidden_mask(m_c, hidden) if delta_e > 0 else None


class DrawsDropoutAnew(TargetPass):
    """The masked passes draw dropout of their own instead of repeating that of the impact pass."""

    def _under_feature_mask(self, m_f: Tensor) -> Tensor:
        return self._head(self._hidden(self._scaled(m_f, self.feature_rate)))

    def _under_hidden_mask(self, m_c: Tensor, hidden: Tensor) -> Tensor:
        return self.net.head(self._scaled(m_c, self.hidden_rate) * hidden)  # type: ignore[no-any-return]


class Both(DrawsDropoutAnew, KeepsZeroFlips):
    """Both of these differences."""


@dataclass(frozen=True)
class Change:
    """One thing that differs from the shipped step.

    Attributes:
        target_pass: makes the masked passes.
        moves_statistics: whether masked passes move BatchNorm's running statistics.
        params: parameters of ``dta`` instead of the row's.
        training: settings of the training instead of the file's.
        of: what is varied, the table's heading.
    """

    of: str
    target_pass: type[TargetPass] = TargetPass
    moves_statistics: bool = False
    params: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)


RELEASED, SETTING = "from the released code", "a setting that the paper leaves open"
OURS = "ours"
CHANGES = {
    OURS: Change(""),
    "no unit to flip: the divergence stays": Change(RELEASED, KeepsZeroFlips),
    "dropout drawn anew in the masked passes": Change(RELEASED, DrawsDropoutAnew),
    "masked passes move BatchNorm's statistics": Change(RELEASED, moves_statistics=True),
    "all three": Change(RELEASED, Both, moves_statistics=True),
    "first mask drawn (start: stochastic)": Change(SETTING, params={"start": "stochastic"}),
    "delta_c 0.01": Change(SETTING, params={"delta_c": 0.01}),
    "delta_c 0.02": Change(SETTING, params={"delta_c": 0.02}),
    "delta_c 0: no CAdD": Change(SETTING, params={"delta_c": 0}),
    "delta_e 0: no EAdD": Change(SETTING, params={"delta_e": 0}),
    "batches of 64 + 64": Change(SETTING, training={"batch_size": 64}),
}


@contextmanager
def differing(change: Change) -> Iterator[None]:
    """Train with another target pass, or with masked passes that move BatchNorm's running statistics."""
    statistics = mock.patch.object(adversarial_dropout, "frozen_statistics", return_value=nullcontext())
    with (
        mock.patch.object(dta, "TargetPass", change.target_pass),
        statistics if change.moves_statistics else nullcontext(),
    ):
        yield


@functools.cache
def row_of(pair: str) -> RunSpec:
    """The run of ``dta`` in the pair's comparison, measured at its last epoch alone."""
    file = search_space_file.read(f"compare_{pair}")
    plan = make_plan(
        pair, file, Options(methods=("dta",), points=1, training=(f"measure_every={file.training.epochs}",))
    )
    return next(run for run in plan.runs if run.method == "dta" and run.seed == 0)


def spec_of(pair: str, seed: int, change: Change) -> RunSpec:
    """The run of one change, on the row of the pair's comparison."""
    spec = row_of(pair)
    params = {**spec.params, "class_balance": CLASS_BALANCE, **change.params}
    training = spec.training.model_copy(update=dict(change.training))
    return dataclasses.replace(spec, seed=seed, params=params, training=training)


def measure(job: tuple[str, int, str]) -> dict[str, Any]:
    """Target test accuracy in percent of one run."""
    torch.set_num_threads(1)
    pair, seed, name = job
    spec = spec_of(pair, seed, CHANGES[name])
    with differing(CHANGES[name]):
        finished = train.train(resolve(spec, "data"), Placement(torch.device("cpu")))
    assert finished.result.test is not None
    return {"pair": pair, "seed": seed, "change": name, "run": spec.id, "accuracy": finished.result.test.accuracy}


def kept_rows() -> list[dict[str, Any]]:
    """The kept lines of runs that the files still ask for."""
    rows = [json.loads(line) for line in KEPT.read_text().splitlines()] if KEPT.exists() else []
    return [
        row
        for row in rows
        if row["change"] in CHANGES and row["run"] == spec_of(row["pair"], row["seed"], CHANGES[row["change"]]).id
    ]


def train_all(parallel: int) -> None:
    """Train what is not in the kept lines yet."""
    done = {(row["pair"], row["seed"], row["change"]) for row in kept_rows()}
    jobs = [(pair, seed, name) for pair in PAIRS for seed in SEEDS for name in CHANGES]
    waiting = [job for job in jobs if job not in done]
    print(f"{len(waiting)} of {len(jobs)} runs to do", file=sys.stderr)
    with multiprocessing.get_context("spawn").Pool(parallel) as pool, KEPT.open("a") as lines:
        for count, row in enumerate(pool.imap_unordered(measure, waiting), 1):
            lines.write(json.dumps(row) + "\n")
            lines.flush()
            print(
                f"{count}: {row['pair']} seed {row['seed']}, {row['change']}: {row['accuracy']:.1f} %", file=sys.stderr
            )


def page(rows: list[dict[str, Any]]) -> str:
    """The page as Markdown."""
    found = {(row["pair"], row["change"], row["seed"]): row["accuracy"] for row in rows}
    lines = [INTRODUCTION.format(balance=CLASS_BALANCE, seeds=len(SEEDS))]
    for pair in PAIRS:
        ours = _of_seeds(found, pair, OURS)
        lines += [
            f"## {pair}",
            "",
            "| what differs | | accuracy | minus ours | 95 % interval |",
            "|---|---|---:|---:|---|",
        ]
        for name, change in CHANGES.items():
            scores = _of_seeds(found, pair, name)
            if scores is None or ours is None:
                lines.append(f"| {name} | {change.of} | not run | | |")
                continue
            gap = "| |" if name == OURS else f"{spell_gap(scores - ours)} |"
            lines.append(f"| {name} | {change.of} | {scores.mean():.1f} | {gap}")
        lines.append("")
    return "\n".join(lines)


def _of_seeds(found: dict[tuple[str, str, int], float], pair: str, name: str) -> NDArray[np.float64] | None:
    """The accuracies of all seeds, in their order; None if one is missing."""
    scores = [found.get((pair, name, seed)) for seed in SEEDS]
    return None if None in scores else np.array(scores, dtype=float)


def spell_gap(gaps: NDArray[np.float64]) -> str:
    """The mean of differences by seed, and its 95 % interval by Student's t."""
    half = stats.t.ppf(0.975, len(gaps) - 1) * gaps.std(ddof=1) / np.sqrt(len(gaps))
    return f"{gaps.mean():+.1f} | {gaps.mean() - half:+.1f} to {gaps.mean() + half:+.1f}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("train", "page"))
    parser.add_argument("--parallel", type=int, default=2)
    asked = parser.parse_args()
    print(page(kept_rows())) if asked.what == "page" else train_all(asked.parallel)
