"""A run whose images travel as bytes trains as one whose images are made on the host, and resumes exactly."""

import dataclasses
from pathlib import Path

import pytest
import torch
from small_runs import figures, resumed_after_two_steps, spec_of

from dta_bench.domains.images import Splits
from dta_bench.run.placement import Placement
from dta_bench.run.resolve import Resolved, resolve_on
from dta_bench.run.train import train
from dta_bench.spec.benchmark import Benchmark

CPU = torch.device("cpu")
RELATIVE = 1e-3
"""Of losses after an epoch: the last digits of the images differ, and steps add up."""


def test_a_run_on_bytes_ends_as_that_on_images_made_on_the_host(
    digits_benchmark: Benchmark, small_splits: Splits, tmp_path: Path
) -> None:
    host = spec_of("source_only", epochs=1)
    on_device = dataclasses.replace(host, training=host.training.model_copy(update={"data_on_device": True}))

    def resolved() -> Resolved:
        return resolve_on(on_device, digits_benchmark, small_splits)

    losses: list[dict[str, float]] = []
    train(resolve_on(host, digits_benchmark, small_splits), Placement(CPU), lambda _, found: losses.append(found))
    ended = train(resolved(), Placement(CPU), lambda _, found: losses.append(found))
    assert losses[1]["loss/total"] == pytest.approx(losses[0]["loss/total"], rel=RELATIVE)
    assert figures(resumed_after_two_steps(resolved, tmp_path / "run.pt")) == figures(ended)
