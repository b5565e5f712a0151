"""The arrays that a run stores for selection rules that need more than logits."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from dta_bench.data.batches import evaluation_batches
from dta_bench.evaluation import probes
from dta_bench.run import train
from dta_bench.run.finish import FinishedRun, finish
from dta_bench.run.placement import Placement
from dta_bench.run.resolve import resolve
from dta_bench.spec import search_space_file
from dta_bench.spec.plan import Options
from dta_bench.sweep.choose_runs import make_plan


@pytest.fixture(scope="module")
def run() -> tuple[train.Run, FinishedRun]:
    """A run of no training at all: the untrained network, measured and probed."""
    plan = make_plan("fonts_digits", search_space_file.read("fonts_digits"), Options(epochs=1))
    spec = dataclasses.replace(plan.runs[0], method="source_only", params={})
    place = Placement(device=torch.device("cpu"))
    trained = train.Run(resolve(spec, "data"), place)
    return trained, finish(trained)


def test_features_are_what_enters_the_classifier(run: tuple[train.Run, FinishedRun]) -> None:
    trained, finished = run
    arrays = finished.arrays
    rows = arrays["probe_target_train_rows"]
    with torch.no_grad():
        logits = trained.network.head(torch.from_numpy(arrays["probe_target_train_features"])).numpy()
    np.testing.assert_allclose(logits, arrays["target_train_logits"][rows], atol=1e-4)


def test_every_set_gives_a_sample_without_repeats(run: tuple[train.Run, FinishedRun]) -> None:
    trained, finished = run
    for name in ("source_train", "source_validation", "target_train"):
        rows = finished.arrays[f"probe_{name}_rows"]
        assert len(set(rows)) == len(rows) == min(500, len(getattr(trained.splits, name)))
        assert len(finished.arrays[f"probe_{name}_features"]) == len(rows)


def test_mixed_images_are_predicted_from_a_mix_of_inputs(run: tuple[train.Run, FinishedRun]) -> None:
    trained, finished = run
    guesses = finished.arrays["target_train_logits"].argmax(axis=1)
    first, second = probes.mixing_partners(finished.arrays["probe_target_train_rows"], guesses)
    images = trained.splits.target_train.images

    def network_input(row: int) -> torch.Tensor:
        return next(iter(evaluation_batches([images[row]], trained.benchmark, trained.channels, 1)))

    with torch.no_grad():
        trained.network.eval()
        for i in (0, 1, 17):
            logits = trained.network(0.55 * network_input(first[i]) + 0.45 * network_input(second[i])).numpy()[0]
            np.testing.assert_allclose(logits, finished.arrays["probe_mixed_logits"][i], atol=1e-4)


def test_partners_share_the_predicted_class_or_do_not() -> None:
    guesses = np.array([0, 0, 0, 1, 1, 2])
    rows = np.array([0, 1, 3, 4, 5])
    first, second = probes.mixing_partners(rows, guesses)
    pairs = list(zip(first, second, strict=True))
    assert all(a != b and a in rows and b in rows for a, b in pairs)
    intra = [(a, b) for a, b in pairs if guesses[a] == guesses[b]]
    assert sorted(intra) == [(0, 1), (1, 0), (3, 4), (4, 3)]  # 5 is the only one of its class
    assert sorted(a for a, b in pairs if guesses[a] != guesses[b]) == list(rows)
