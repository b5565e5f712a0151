"""Learning-rate schedules as words and numbers: what is allowed, and that one meaning has one spelling."""

from __future__ import annotations

import pytest
from pydantic import ValidationError
from small_runs import spec_of

from dta_bench.errors import UserError
from dta_bench.spec.run_spec import RunSpec
from dta_bench.spec.search_space_file import with_settings
from dta_bench.spec.training import Training

PLAIN = Training(epochs=4, optimizer="sgd", learning_rate=0.1, batch_size=8)


def with_(*settings: str) -> Training:
    return with_settings(PLAIN, settings)


def identity(training: Training) -> str:
    return RunSpec.from_dict(spec_of().to_dict() | {"training": training.model_dump()}).id


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (["schedule=polly"], "schedule"),
        (["schedule_options={power: 1}"], "there is no schedule"),
        (["schedule=poly", "schedule_options={gamma: 1}"], "gamma is no option of the schedule poly; allowed: power"),
        (["schedule=step"], "the schedule step needs every"),
        (["schedule=multistep", "schedule_options={at: [3, 2]}"], "3, 2 do not rise"),
        (["schedule=poly", "schedule_options={power: -1}"], "power of the schedule poly is -1"),
        (["schedule=poly", "decay_every=2"], "decay_every 2 and schedule poly both set the learning rate"),
        (["nesterov=true", "momentum=0"], "nesterov needs sgd with a momentum"),
        (["nesterov=true", "optimizer=adam"], "nesterov needs sgd with a momentum"),
        (["betas=[0.5, 0.9]"], "betas .* are for adam and adamw"),
        (["betas=[0.5, 1.0]", "optimizer=adam"], "betas.1"),
        (["rates={neck: 0.1}"], "backbone"),
        (["rates={backbone: -0.1}"], "rates.backbone"),
        (["players={judge: {epochs: 2}}"], "of judge, epochs is not a key here; allowed: optimizer"),
        (["players={judge: 3}"], "of judge there is 3; allowed: fields and their values"),
        (["players={judge: {learning_rate: -1}}"], "of judge, learning_rate is -1; should be greater than 0"),
        (["players={judge: {schedule: poly, schedule_options: {gamma: 1}}}"], "gamma is no option"),
        (["clip_norm=0"], "clip_norm"),
        (["iterations_per_epoch=0"], "iterations_per_epoch"),
        (["learning_rate_warm_up=-1"], "learning_rate_warm_up"),
    ],
)
def test_what_does_not_go_together_is_refused_in_words(settings: list[str], says: str) -> None:
    with pytest.raises(UserError, match=says) as refused:
        with_(*settings)
    assert "pydantic" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_command_line_reads_values_as_yaml() -> None:
    training = with_(
        "schedule=inverse_iterations", "schedule_options={gamma: 2.0e-4}", "rates={backbone: 0.1}", "nesterov=true",
        "players={judge: {optimizer: adam, betas: [0.9, 0.99]}}", "iterations_per_epoch=500", "clip_norm=1",
    )  # fmt: skip
    assert training.schedule_options == {"gamma": 2e-4, "power": 0.75}
    assert training.rates == {"backbone": 0.1}
    assert training.players == {"judge": {"optimizer": "adam", "betas": [0.9, 0.99]}}
    assert (training.nesterov, training.iterations_per_epoch, training.clip_norm) == (True, 500, 1)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["schedule=poly"], ["schedule=poly", "schedule_options={power: 0.9}"]),
        (["schedule=inverse_progress"], ["schedule=inverse_progress", "schedule_options={gamma: 10}"]),
        ([], ["rates={head: 1.0}"]),
        ([], ["players={judge: {}}"]),
        ([], ["betas=[0.9, 0.999]"]),
        (["players={a: {momentum: 0}, b: {momentum: 0}}"], ["players={b: {momentum: 0}, a: {momentum: 0}}"]),
    ],
)
def test_two_spellings_of_one_training_are_one_run(one: list[str], other: list[str]) -> None:
    assert identity(with_(*one)) == identity(with_(*other))


@pytest.mark.parametrize(
    "setting",
    [
        "schedule=cosine", "learning_rate_warm_up=3", "iterations_per_epoch=7", "nesterov=true", "clip_norm=1",
        "decay_norms_and_biases=true", "rates={backbone: 0.1}", "players={judge: {learning_rate: 0.2}}",
    ],
)  # fmt: skip
def test_each_field_is_another_run_and_survives_storing(setting: str) -> None:
    training = with_(setting)
    assert identity(training) != identity(PLAIN)
    stored = RunSpec.from_dict(spec_of().to_dict() | {"training": training.model_dump(mode="json")})
    assert stored.training == training
    assert stored.id == identity(training)


def test_a_players_own_optimiser_does_not_inherit_what_another_kind_needs() -> None:
    of_run = with_("nesterov=true", "weight_decay=0.001")
    own = of_run.of_player({"optimizer": "adam", "learning_rate": 0.01})
    assert (own.nesterov, own.weight_decay, own.learning_rate) == (False, 0.001, 0.01)
    with pytest.raises(ValidationError, match="betas"):
        of_run.of_player({"betas": (0.5, 0.9)})
