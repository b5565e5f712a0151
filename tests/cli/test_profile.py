"""``dta-bench profile``: three forms, each with its own options; the form may be left out."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from command_line import dta_bench, program, refusal, refused
from typer.testing import CliRunner

from dta_bench import plugins
from dta_bench.cli import app
from dta_bench.cli.profile import FormsGroup


@pytest.fixture(scope="module")
def group() -> FormsGroup:
    found: Any = program()["profile"]
    assert isinstance(found, FormsGroup)
    return found


@pytest.mark.parametrize(("typed", "form", "values"), [
    ("visda", "step", {"name": "visda"}),
    ("visda --batch 4", "step", {"name": "visda", "batch": 4}),
    ("--batch 4 visda", "step", {"name": "visda", "batch": 4}),
    ("--batch=4 --trace visda", "step", {"name": "visda", "batch": 4, "trace": True}),
    ("step visda --rounds 3", "step", {"name": "visda", "rounds": 3}),
    ("memory gta5_cityscapes", "memory", {"name": "gta5_cityscapes"}),
    ("memory --image-size 64 visda", "memory", {"name": "visda", "image_size": 64}),
    ("data visda --images 128 --batch 16 --rounds 2", "data", {"name": "visda", "images": 128, "batch": 16}),
    ("--rounds 2 data visda", "data", {"name": "visda", "rounds": 2}),
    ("--json data --workers 0 visda", "data", {"name": "visda", "workers": 0, "as_json": True}),
    ("step data", "step", {"name": "data"}),
    ("step memory --trace", "step", {"name": "memory", "trace": True}),
    ("--backbone data visda", "step", {"name": "visda", "backbone": "data"}),
])  # fmt: skip
def test_the_form_may_be_left_out_and_options_may_stand_anywhere(
    group: FormsGroup, typed: str, form: str, values: dict[str, Any]
) -> None:
    found, *arguments = group.with_form(typed.split())
    assert found == form
    with group.commands[form].make_context(form, arguments) as context:
        assert values.items() <= context.params.items()


@pytest.mark.parametrize(("form", "foreign"), [
    ("memory", ["--trace", "--rounds 9", "--batch 4", "--images 8", "--workers 2", "--root data"]),
    ("data", ["--trace", "--method dta", "--image-size 64"]),
    ("step", ["--images 8", "--workers 2", "--root data"]),
])  # fmt: skip
def test_an_option_of_another_form_is_refused(form: str, foreign: list[str]) -> None:
    for option in foreign:
        for typed in (f"profile {form} visda {option}", f"profile {option} {form} visda"):
            assert f"No such option: {option.split()[0]}" in refusal(typed)


def test_an_option_of_another_form_is_refused_with_status_2_and_without_a_traceback(tmp_path: Path) -> None:
    said = refused(dta_bench("profile", "memory", "gta5_cityscapes", "--trace", "--rounds", "9", cwd=tmp_path))
    assert said.strip().splitlines()[-1] == "Error: No such option: --trace"


@pytest.mark.parametrize("form", ["step", "data", "memory"])
@pytest.mark.parametrize("more", ["", " --json", " --backbone resnet50"])
def test_a_name_that_is_also_a_form_is_refused_and_told_how_it_is_measured(form: str, more: str) -> None:
    said = refusal(f"profile {form}{more}")
    assert f"profile {form} takes one name" in said
    assert f"dta-bench profile step {form}" in said


def test_a_search_space_that_is_called_like_a_form_can_be_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "search_spaces").mkdir()
    shutil.copy(plugins.path("search_space", "fonts_digits"), tmp_path / "search_spaces" / "memory.yaml")
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["profile", "memory", "memory", "--backbone", "conv3_fc2", "--image-size", "28"])
    assert result.exit_code == 0, result.exception
    result = CliRunner().invoke(app, ["profile", "step", "memory", "--backbone", "nowhere"])
    assert "no backbone named 'nowhere'" in str(result.exception)


@pytest.mark.parametrize("names", ["visda digits", "data visda digits", "memory visda digits", "step visda digits"])
def test_one_name_is_taken(names: str) -> None:
    assert "unexpected extra argument" in refusal(f"profile {names}")


def test_a_name_is_needed() -> None:
    assert "Missing argument" in refusal("profile --batch 4")


def test_the_help_shows_the_three_forms() -> None:
    said = CliRunner().invoke(app, ["profile", "--help"]).stdout
    for form in ("step", "data", "memory"):
        assert f"\n  {form} " in said


@pytest.mark.parametrize("typed", ["visda --help", "--batch 4 -h", "step --help"])
def test_help_beside_a_name_or_an_option_is_that_of_a_step(typed: str) -> None:
    said = CliRunner().invoke(app, ["profile", *typed.split()]).stdout
    assert "Usage: dta-bench profile step" in said or "profile step" in said.splitlines()[0]
    assert "--trace" in said


@pytest.mark.parametrize("form", ["data", "memory"])
def test_the_help_of_a_form_shows_its_own_options(form: str) -> None:
    said = CliRunner().invoke(app, ["profile", form, "--help"]).stdout
    assert "--trace" not in said
    assert ("--workers" in said) == (form == "data")


@pytest.mark.parametrize(
    ("options", "following"),
    [
        ("", "dta-bench profile digits --backbone conv3_fc2 --batch 64 --method source_only  # "),
        ("--batch 64", "dta-bench sweep digits --backbone conv3_fc2 --images-per-second 125.5 --dry-run  # "),
        ("--batch 64 --image-size 16", "dta-bench profile digits --backbone conv3_fc2 --batch 64 --method source_only"),
    ],
)
def test_only_the_rate_of_a_sweeps_own_steps_is_handed_on_to_an_estimate(
    options: str, following: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def costs(plan: Any, batch: int, image_size: int | None, _: int) -> dict[str, Any]:
        size = [image_size] * 2 if image_size else list(plan.benchmark.image_size)
        row = {"method": "source_only", "images_per_second": 125.5}
        return {"backbone": plan.backbones[0], "batch": batch, "image_size": size, "rows": [row]}

    monkeypatch.setattr("dta_bench.cost.step_table.step_costs", costs)
    monkeypatch.setattr("dta_bench.cost.step_table.show_step_costs", lambda *_: None)
    result = CliRunner().invoke(app, ["profile", "digits", *options.split()])
    assert result.exit_code == 0, result.exception
    assert f"Next: {following}" in capfd.readouterr().out
    assert "timing 5 rounds of steps of source_only, dta and dta_released" in result.stderr
