"""Identities stand: those that an earlier version gave, and those of runs that a new field does not concern."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_runs import spec_of

from dta_bench.spec import identity, run_spec
from dta_bench.spec.run_spec import RunSpec, Training

KEPT = json.loads(Path(__file__).with_name("kept").joinpath("identities_3d35bee.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("run", KEPT["runs"], ids=lambda run: run["identity"])
def test_a_stored_run_of_an_earlier_version_keeps_its_identity(run: dict[str, Any]) -> None:
    spec, unknown = RunSpec.read_stored(run["stored"])
    assert (spec.id, unknown) == (run["identity"], ())


class TrainingOfTomorrow(Training):
    dropout: float = 0.0


def test_a_new_field_at_its_default_leaves_every_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_spec, "Training", TrainingOfTomorrow)
    for run in KEPT["runs"]:
        spec, _ = RunSpec.read_stored(run["stored"])
        assert "dropout" in spec.to_dict()["training"]
        assert spec.id == run["identity"]


def test_a_new_field_that_is_set_gives_another_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_spec, "Training", TrainingOfTomorrow)
    stored = KEPT["runs"][0]["stored"]
    with_it = RunSpec.from_dict(stored | {"training": stored["training"] | {"dropout": 0.5}})
    assert with_it.id != KEPT["runs"][0]["identity"]


@given(st.sampled_from([name for name in identity.ALWAYS_HASHED["training"] if name not in ("epochs", "batch_size")]))
def test_a_field_that_an_older_store_lacks_has_its_default(name: str) -> None:
    whole = spec_of().to_dict()
    default = Training.model_fields[name]
    if default.is_required():
        return
    without = {k: v for k, v in whole["training"].items() if k != name}
    spec, _ = RunSpec.read_stored(whole | {"training": without})
    expected = whole | {"training": whole["training"] | {name: default.default}}
    assert spec.id == RunSpec.from_dict(expected).id


def test_fields_of_a_newer_version_are_named() -> None:
    stored = spec_of().to_dict()
    spec, unknown = RunSpec.read_stored(stored | {"training": stored["training"] | {"dropout": 0.5}, "mood": "good"})
    assert spec == spec_of()
    assert set(unknown) == {"training.dropout", "mood"}
