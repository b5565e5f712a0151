"""How often the headline says "better than source-only" where every configuration is as good as source-only.

Each of M methods has K configurations, all of the same expected score. Two search seeds of each are asked on a labelled
subset; each method's best is run again with fresh seeds, and the best of these methods by the subset is the headline's.
Its test against source-only is the report's own, among all methods together. Beside it stands what the same test says
on the seeds that chose, which is what a report without confirmation runs has.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from calibration_worlds import Cell, Floats, models, models_of, seed_scores, world_of
from numpy.typing import NDArray

from dta_bench.report.statistics.crossed_model import LEVEL, CrossedModel
from dta_bench.report.statistics.pair_model import PairModel, all_pairs
from dta_bench.report.statistics.paired_tests import holm

Bools = NDArray[np.bool_]

FRESH, MORE_WORLDS = "on fresh seeds", 20_000
SUBSET, SEARCH_SEEDS = 100, 2
"""Labelled images that choose, and the seeds on which they do."""
CONFIGURATIONS = {1: (1, 1), 6: (1, 6), 150: (25, 6)}
"""Methods and configurations of each, by how many there are."""


@dataclass(frozen=True)
class HeadlineCell:
    """``configurations`` in all; ``spread`` between seeds in points; ``seeds`` of confirmation; test images."""

    configurations: int
    spread: float
    seeds: int
    images: int

    def __str__(self) -> str:
        seeds = f"{self.seeds} confirmation seeds"
        searched = f"{self.configurations} configuration{'s' if self.configurations > 1 else ''}"
        return f"{searched}, SD {self.spread:g}, {seeds}, {self.images:,} images"


def headline_grid() -> list[HeadlineCell]:
    """The cells that ``make calibration`` holds."""
    axes = itertools.product(CONFIGURATIONS, (1.0, 2.0, 4.0), (2, 3, 5), (600, 20_000))
    return [HeadlineCell(*rest) for rest in axes]


def simulate_headline(cell: HeadlineCell, worlds: int, seed: int = 0) -> dict[str, int]:
    """In how many worlds the chosen is said to be better than source-only, by whose seeds are tested."""
    rng = np.random.default_rng([seed, *hashlib.sha256(repr(cell).encode()).digest()[:8]])
    methods, each = CONFIGURATIONS[cell.configurations]
    compared = Cell("accuracy", "equal", cell.spread, cell.seeds, cell.images, methods + 1)
    fresh = chosen = 0
    for model in models(compared, worlds, rng):
        count = len(model.means)
        scores, winner = _search(compared, each, count, rng)
        fresh += int(says_better(model, winner).sum())
        searched = models_of(dataclasses.replace(compared, seeds=SEARCH_SEEDS), scores, rng)
        chosen += int(says_better(searched, winner).sum())
    return {FRESH: fresh, "on the seeds that chose": chosen}


def says_better(model: CrossedModel, winner: NDArray[np.int64]) -> Bools:
    """Whether each world's winner (W,) is said to be better than method 0, corrected for all pairs."""
    everyone, rows = all_pairs(model), np.arange(len(model.means))
    places = winner - 1  # pairs with method 0 come first
    distances = np.abs(everyone.points)
    itself = (distances >= everyone.moderated_half_widths(LEVEL))[rows, places]
    any_pair = (distances >= everyone.moderated_half_widths(LEVEL / len(everyone.first))).any(axis=1)
    ahead = model.means[rows, winner] > model.means[:, 0]
    said = np.zeros(len(model.means), dtype=bool)
    for world in np.flatnonzero(ahead & itself & any_pair):  # Holm rejects nothing elsewhere
        moderated, own = PairModel(world_of(model, world), everyone.first, everyone.second).p_values()
        said[world] = max(holm(moderated)[places[world]], own[places[world]]) < LEVEL
    return said


def run_headline(cell: HeadlineCell, worlds: int) -> dict[str, Any]:
    """A row of ``calibration_headline.jsonl``; one that is close to the level is simulated again."""
    counts = simulate_headline(cell, worlds)
    if counts[FRESH] > LEVEL * worlds and worlds < MORE_WORLDS:
        worlds, counts = MORE_WORLDS, simulate_headline(cell, MORE_WORLDS, seed=1)
    return {**dataclasses.asdict(cell), "worlds": worlds, "date": f"{datetime.date.today()}", "counts": counts}


def _search(compared: Cell, each: int, worlds: int, rng: np.random.Generator) -> tuple[Floats, NDArray[np.int64]]:
    """Expected scores (W, M + 1, S) of the seeds that chose, source-only first, and the method that the subset has."""
    shape = dataclasses.replace(compared, seeds=SEARCH_SEEDS, methods=(compared.methods - 1) * each)
    scores = np.clip(seed_scores(shape, worlds, rng)[0], 0, 100)
    asked = rng.binomial(SUBSET, scores / 100).mean(axis=-1).reshape(worlds, -1, each)
    best = asked.argmax(axis=-1)
    of_each = scores.reshape(worlds, -1, each, SEARCH_SEEDS)
    chosen = np.take_along_axis(of_each, best[..., None, None], axis=2)[:, :, 0]
    baseline = seed_scores(dataclasses.replace(shape, methods=1), worlds, rng)[0]
    return np.concatenate([baseline, chosen], axis=1), asked.max(axis=-1).argmax(axis=-1) + 1
