"""A run's names are looked up once: what resolving gives, and that training asks for no plug-in by its name."""

import dataclasses
from pathlib import Path

import pytest
import torch
from small_runs import spec_of

from dta_bench import plugins
from dta_bench.domains.images import Splits
from dta_bench.run import train
from dta_bench.run.placement import Placement
from dta_bench.run.resolve import resolve, resolve_on
from dta_bench.spec.benchmark import Benchmark


def test_it_gives_what_the_names_of_a_spec_stand_for(tmp_path: Path) -> None:
    spec = spec_of("dta")
    found = resolve(spec, str(tmp_path))
    assert (found.benchmark.name, found.method.name, found.backbone.name) == (spec.benchmark, "dta", spec.backbone)
    assert len(found.splits.target_validation) == spec.label_subset.size
    assert set(found.fingerprints) == {"data_fingerprint", "code_fingerprint"}
    assert found.first_stage is None


def test_a_second_stage_comes_with_its_first(digits_benchmark: Benchmark, small_splits: Splits) -> None:
    found = resolve_on(spec_of("dirt_t"), digits_benchmark, small_splits)
    assert found.first_stage is not None
    assert found.first_stage.spec == dataclasses.replace(
        found.spec, method="vada", params=found.first_stage.spec.params
    )


def test_training_loads_no_plugin_by_its_name(
    digits_benchmark: Benchmark, small_splits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolved = resolve_on(spec_of("dirt_t", epochs=1), digits_benchmark, small_splits)

    def refuse(kind: str, name: str) -> None:
        raise AssertionError(f"the {kind} {name} was asked for again")

    monkeypatch.setattr(plugins, "load", refuse)
    monkeypatch.setattr(plugins, "path", refuse)
    train.train(resolved, Placement(torch.device("cpu")))
