"""Training on the pairs of a suite: what depends on the source alone is the same for all its targets."""

import dataclasses
from pathlib import Path

import pytest
import torch
from drawn_suites import write_domains, write_suite
from small_runs import spec_of

from dta_bench.run.placement import Placement
from dta_bench.run.resolve import resolve
from dta_bench.run.train import Run
from dta_bench.spec.run_spec import LabelSubset


def weights_of(target: str, root: Path, steps: int | None) -> dict[str, torch.Tensor]:
    """The weights after two epochs on photo → ``target``."""
    spec = dataclasses.replace(
        spec_of("source_only"), benchmark=f"zoo.photo-to-{target}", label_subset=LabelSubset(size=3)
    )
    spec = dataclasses.replace(
        spec, training=spec.training.model_copy(update={"batch_size": 4, "iterations_per_epoch": steps})
    )
    run = Run(resolve(spec, str(root)), Placement()).train_to_the_end()
    return {name: value.clone() for name, value in run.network.state_dict().items()}


@pytest.mark.parametrize("epoch_length", ["source", 3])
def test_source_only_is_the_same_network_for_all_targets_of_a_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epoch_length: str | int
) -> None:
    monkeypatch.chdir(tmp_path)
    write_suite(tmp_path, image_size=28, epoch_length=epoch_length)
    write_domains(tmp_path / "data/zoo", {"photo": ["cat", "dog"], "ink": ["cat", "dog"]})
    write_domains(tmp_path / "data/zoo", {"clay": ["cat", "dog"]}, count=25)
    steps = epoch_length if isinstance(epoch_length, int) else None
    one, other = (weights_of(target, tmp_path / "data", steps) for target in ("ink", "clay"))
    assert all(torch.equal(one[name], other[name]) for name in one)
