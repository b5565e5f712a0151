"""A run whose network torch.compile compiles ends as the plain one, within bounds, and resumes exactly."""

import dataclasses
from pathlib import Path

import pytest
import torch
from small_runs import figures, resumed_after_two_steps, spec_of

from dta_bench.domains.images import Splits
from dta_bench.errors import UserError
from dta_bench.nn import device_settings
from dta_bench.run.placement import Placement
from dta_bench.run.resolve import resolve_on
from dta_bench.run.train import train
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.run_spec import RunSpec

CPU = torch.device("cpu")
RELATIVE = 1e-3
"""Of the sum of all logits and of the losses, after an epoch; the order of additions differs, and steps add up."""


def compiled(spec: RunSpec) -> RunSpec:
    return dataclasses.replace(spec, training=spec.training.model_copy(update={"compile": True}))


@pytest.mark.slow
@pytest.mark.parametrize("method", ["dta", "mcd", "shot"])
def test_a_compiled_run_ends_as_the_plain_one(
    method: str, digits_benchmark: Benchmark, small_splits: Splits, tmp_path: Path
) -> None:
    """dta with VAT has every kind of pass; mcd has phases of two players; shot has a first stage."""
    own = {"lambda_3": 0.1, "epsilon": 3.5} if method == "dta" else {}
    plain = spec_of(method, epochs=1, **own)
    losses: list[dict[str, float]] = []
    found = [
        train(resolve_on(spec, digits_benchmark, small_splits), Placement(CPU), lambda _, m: losses.append(m))
        for spec in (plain, compiled(plain))
    ]
    assert 3 < device_settings.count_graphs() < device_settings.MOST_GRAPHS
    assert figures(found[1]) == pytest.approx(figures(found[0]), rel=RELATIVE, abs=2.5)
    for name, value in losses[0].items():
        if name.startswith("loss/"):
            assert losses[1][name] == pytest.approx(value, rel=RELATIVE, abs=1e-5), name
    resumed = resumed_after_two_steps(
        lambda: resolve_on(compiled(plain), digits_benchmark, small_splits), tmp_path / "run.pt"
    )
    assert figures(resumed) == figures(found[1])


def test_a_method_that_cannot_be_compiled_is_refused_with_its_name(
    digits_benchmark: Benchmark, small_splits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_settings, "BACKEND", "eager")

    def fails(*_: object) -> None:
        raise RuntimeError("torch.compile with aot_autograd does not currently support double backward")

    monkeypatch.setattr("dta_bench.methods.source_only.loss", fails)
    spec = compiled(spec_of("source_only", epochs=1))
    with pytest.raises(UserError, match="source_only on this network cannot be compiled"):
        train(resolve_on(spec, digits_benchmark, small_splits), Placement(CPU))
