"""What the differences that remain from the released code do: ``reports/released_differences.md`` on stdout.

    python reports/released_differences.py

The authors' code differs from ours in how it makes the masked passes of the target. Each difference is made here, alone
and together, in training runs of ``dta`` with class balance 0.1 on the row of ``compare_digits``, which does not
collapse, and of ``compare_fonts_digits``. Runs of one seed share first weights and batches.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
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
from dta_bench.sweep.choose_runs import make_plan

PAIRS, SEEDS, CLASS_BALANCE = ("digits", "fonts_digits"), (0, 1, 2), 0.1


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


@contextmanager
def differing(target_pass: type[TargetPass], moves_statistics: bool) -> Iterator[None]:
    """Train with another target pass, and with masked passes that move BatchNorm's running statistics."""
    statistics = mock.patch.object(adversarial_dropout, "frozen_statistics", return_value=nullcontext())
    with mock.patch.object(dta, "TargetPass", target_pass), statistics if moves_statistics else nullcontext():
        yield


DIFFERENCES = {
    "no unit to flip: the divergence stays": (KeepsZeroFlips, False),
    "dropout drawn anew in the masked passes": (DrawsDropoutAnew, False),
    "masked passes move BatchNorm's statistics": (TargetPass, True),
    "all three": (Both, True),
}


def accuracy(pair: str, seed: int, target_pass: type[TargetPass] = TargetPass, moves_statistics: bool = False) -> float:
    """Target test accuracy in percent of one run."""
    options = Options(methods=("dta",), points=1, training=("measure_every=6",))
    plan = make_plan(pair, search_space_file.read(f"compare_{pair}"), options)
    spec = next(run for run in plan.runs if run.method == "dta" and run.seed == 0)
    spec = dataclasses.replace(spec, seed=seed, params={**spec.params, "class_balance": CLASS_BALANCE})
    with differing(target_pass, moves_statistics):
        finished = train.train(resolve(spec, "data"), Placement(torch.device("cpu")))
    assert finished.result.test is not None
    return finished.result.test.accuracy


def main() -> None:
    """Print the page."""
    torch.set_num_threads(1)
    print(
        "# What the differences from the released code do\n\n"
        "Made by `make released-differences`. Target test accuracy in percent of `dta` with class balance 0.1, mean\n"
        f"over {len(SEEDS)} seeds, and its difference from our step with a 95 % interval by Student's t over seeds,\n"
        "which share first weights and batches. An interval that holds 0 shows no difference; three seeds make it\n"
        "wide.\n"
    )
    for pair in PAIRS:
        ours = np.array([accuracy(pair, seed) for seed in SEEDS])
        print(f"## {pair}\n\n| step | accuracy | minus ours | 95 % interval |\n|---|---:|---:|---|")
        print(f"| ours | {ours.mean():.1f} | | |", flush=True)
        for name, difference in DIFFERENCES.items():
            scores = np.array([accuracy(pair, seed, *difference) for seed in SEEDS])
            print(f"| {name} | {scores.mean():.1f} | {spell_gap(scores - ours)} |", flush=True)
        print()


def spell_gap(gaps: NDArray[np.float64]) -> str:
    """The mean of differences by seed, and its 95 % interval by Student's t."""
    half = stats.t.ppf(0.975, len(gaps) - 1) * gaps.std(ddof=1) / np.sqrt(len(gaps))
    return f"{gaps.mean():+.1f} | {gaps.mean() - half:+.1f} to {gaps.mean() + half:+.1f}"


if __name__ == "__main__":
    main()
