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
RELATIVE = {"loss/vat": 1e-2}
"""By part of the loss, after an epoch; .001 elsewhere, also for the sum of all logits. The order of additions differs,
and steps add up; VAT divides a gradient of about zero by its length, which enlarges rounding."""


def compiled(spec: RunSpec) -> RunSpec:
    return dataclasses.replace(spec, training=spec.training.model_copy(update={"compile": True}))


def plain(method: str) -> RunSpec:
    """dta with VAT has every kind of pass; mcd has phases of two players; shot has a first stage."""
    own = {"lambda_3": 0.1, "epsilon": 3.5} if method == "dta" else {}
    # conv3_tiny's adaptive pooling is one that inductor does not compile for every size of a batch
    return dataclasses.replace(spec_of(method, epochs=1, **own), backbone="conv3_fc2")


def trained(spec: RunSpec, benchmark: Benchmark, splits: Splits) -> tuple[list[float], dict[str, float]]:
    """A run's figures, and the parts of its loss."""
    measured: list[dict[str, float]] = []
    finished = train(resolve_on(spec, benchmark, splits), Placement(CPU), lambda _, metrics: measured.append(metrics))
    return figures(finished), {name: value for name, value in measured[-1].items() if name.startswith("loss/")}


@pytest.mark.slow
@pytest.mark.parametrize("method", ["dta", "mcd", "shot"])
def test_the_graphs_of_a_compiled_run_compute_what_the_plain_one_does(
    method: str, digits_benchmark: Benchmark, small_splits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``aot_eager`` runs the captured graphs with the plain run's operators, so that not even rounding differs."""
    monkeypatch.setattr(device_settings, "BACKEND", "aot_eager")
    spec = plain(method)
    assert trained(compiled(spec), digits_benchmark, small_splits) == trained(spec, digits_benchmark, small_splits)
    assert 3 < device_settings.count_graphs() < device_settings.MOST_GRAPHS


@pytest.mark.slow
@pytest.mark.parametrize("method", ["dta", "mcd"])  # shot's pseudo-labels jump where rounding differs
def test_a_compiled_run_ends_as_the_plain_one(
    method: str, digits_benchmark: Benchmark, small_splits: Splits, tmp_path: Path
) -> None:
    spec = plain(method)
    wanted, wanted_losses = trained(spec, digits_benchmark, small_splits)
    found, losses = trained(compiled(spec), digits_benchmark, small_splits)
    assert 3 < device_settings.count_graphs() < device_settings.MOST_GRAPHS
    assert found == pytest.approx(wanted, rel=1e-3, abs=2.5)
    for name, value in wanted_losses.items():
        assert losses[name] == pytest.approx(value, rel=RELATIVE.get(name, 1e-3), abs=1e-5), name
    resumed = resumed_after_two_steps(
        lambda: resolve_on(compiled(spec), digits_benchmark, small_splits), tmp_path / "run.pt"
    )
    assert figures(resumed) == found


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
