"""Runs that train a part of their network: the rest stays, and a stopped run ends as one that was not stopped."""

import dataclasses
from pathlib import Path

import pytest
import torch
from small_runs import figures, resumed_after_two_steps, spec_of

from dta_bench.domains.images import Splits
from dta_bench.errors import UserError
from dta_bench.run import train as training
from dta_bench.run.placement import Placement
from dta_bench.run.resolve import resolve_on
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.run_spec import RunSpec

CPU = torch.device("cpu")
PARTS = {"head": {"tune": "head"}, "neck": {"tune": "head", "neck_width": 32}, "norm": {"tune": "norm"}}
each_part = pytest.mark.parametrize("part", PARTS)


def tuned_spec(part: str, method: str = "dta", epochs: int = 2, **params: float) -> RunSpec:
    spec = spec_of(method, epochs=epochs, **({"lambda_3": 0.0} if method == "dta" else {}) | params)
    return dataclasses.replace(spec, training=spec.training.model_copy(update=PARTS[part]))


@each_part
def test_a_stopped_run_ends_with_the_same_numbers(
    part: str, digits_benchmark: Benchmark, small_splits: Splits, tmp_path: Path
) -> None:
    spec = tuned_spec(part)
    whole = training.train(resolve_on(spec, digits_benchmark, small_splits), Placement(CPU))
    resumed = resumed_after_two_steps(lambda: resolve_on(spec, digits_benchmark, small_splits), tmp_path / "run.pt")
    assert figures(resumed) == figures(whole)


def test_vat_is_refused_before_anything_is_trained(digits_benchmark: Benchmark, small_splits: Splits) -> None:
    with pytest.raises(UserError, match="dta: VAT perturbs the pixels"):
        resolve_on(tuned_spec("head", lambda_3=0.1, epsilon=3.5), digits_benchmark, small_splits)
