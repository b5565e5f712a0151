"""The command that a message names trains the very run that it is about."""

import shlex
from typing import Any

import pytest
from small_runs import spec_of
from typer.testing import CliRunner

from dta_bench import cli
from dta_bench.spec.run_spec import LabelSubset, RunSpec, Training
from dta_bench.spec.train_command import train_command

USUAL: dict[str, Any] = {"epochs": 3, "optimizer": "sgd", "learning_rate": 0.01, "batch_size": 8}


def trained_by(command: str, monkeypatch: pytest.MonkeyPatch) -> RunSpec:
    """The spec that the command would train."""
    from dta_bench.sweep import train_one

    found = []

    def note(plan: Any, settings: list[str], seed: int, *_: Any) -> dict[str, Any]:
        found.append(train_one._spec_with_settings(plan, settings, seed))
        told: dict[str, Any] = {"name": "x", "test": {}, "run_id": "x", "link": "y", "spec": found[0].to_dict()}
        return told | {"has_network": False, "not_in_report": []}

    monkeypatch.setattr("dta_bench.sweep.train_one.train_one", note)
    result = CliRunner().invoke(cli.app, shlex.split(command)[1:])
    assert result.exit_code == 0, result.exception
    return found[0]


@pytest.mark.parametrize("spec", [
    spec_of("dta", seed=3, lambda_3=0.1, epsilon=3.5),
    spec_of("mcd"),
    RunSpec("digits", "conv3_fc2", "none", "source_only", {}, Training(**USUAL, decay_every=2, decay_factor=0.5),
            LabelSubset(size=77, seed=5, stratified=True), 1),
    RunSpec("streets_mini", "unet_mini", "none", "source_only", {},
            Training(**USUAL | {"batch_size": 4}, image_size=(64, 128), crop=(32, 64), window=(64, 64)),
            LabelSubset(size=9), 0),
    spec_of("mcd", seed=1001),
])  # fmt: skip
def test_it_trains_this_run(spec: RunSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    task: Any = "segmentation" if spec.benchmark == "streets_mini" else "classification"
    assert trained_by(train_command(spec, task, "--keep-network"), monkeypatch) == spec
