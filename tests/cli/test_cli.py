"""The command as a user types it: its exit status, what is on stdout and stderr.

What a process of its own is needed for has one; the others run here, where the libraries are imported already.
"""

import contextlib
import json
import os
import pty
import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command_line import commands, dta_bench, dta_bench_here, refused
from typer.core import TyperArgument, TyperOption
from typer.testing import CliRunner

from dta_bench import cli
from dta_bench.cli.terminal import stderr_console


def on_a_terminal(*arguments: str, cwd: Path, **env: str) -> str:
    """What a terminal of 80 columns shows of a command."""
    here, there = pty.openpty()
    command = [sys.executable, "-m", "dta_bench", *arguments]
    seen = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")}
    seen |= {"TERM": "xterm-256color", "COLUMNS": "80"} | env
    process = subprocess.Popen(command, cwd=cwd, env=seen, stdout=there, stderr=subprocess.DEVNULL)
    os.close(there)
    said = b""
    with contextlib.suppress(OSError):  # the other end is closed
        while part := os.read(here, 65536):
            said += part
    os.close(here)
    assert process.wait() == 0
    return said.decode()


COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-8]|4[0-8]|9[0-7])[;m]")


def test_no_color_takes_colours_from_a_terminal_and_a_pipe_has_no_escapes_at_all(tmp_path: Path) -> None:
    asked = ("report", "--paper", "table3")
    assert not COLOUR.search(on_a_terminal(*asked, cwd=tmp_path, NO_COLOR="1"))
    assert "\x1b" not in dta_bench(*asked, cwd=tmp_path).stdout


def test_the_list_fits_80_columns(tmp_path: Path) -> None:
    said = on_a_terminal("list", cwd=tmp_path)
    assert max(map(len, said.splitlines())) <= 80
    assert "dta_released" in said


def test_quiet_leaves_progress_and_notes_out(capsys: pytest.CaptureFixture[str]) -> None:
    for quiet in (False, True):
        stderr_console(quiet).print("epoch 1/2")
    assert capsys.readouterr().err == "epoch 1/2\n"


@pytest.mark.parametrize("command", ["train", "sweep"])
def test_what_takes_long_can_be_quiet(command: str, tmp_path: Path) -> None:
    assert "--quiet" in dta_bench_here(command, "--help", cwd=tmp_path).stdout


def test_help_answers_in_under_a_second_of_cpu(tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = dta_bench("--help", cwd=tmp_path)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert result.returncode == 0
    # CPU seconds, not wall time: the promise of the interface itself, with nothing heavy imported.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.0


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys, typer.testing, dta_bench.cli as c; typer.testing.CliRunner().invoke(c.app, ['--help']);"
        "print([m for m in ('torch', 'ray', 'mlflow', 'optuna', 'numpy') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("command", [*commands(), "profile"])
def test_each_command_has_help_with_an_example(command: str) -> None:
    result = CliRunner().invoke(cli.app, [*command.split(), "--help"])
    assert result.exit_code == 0
    assert re.search(rf"Examples?: dta-bench {command.removesuffix(' step')}", result.stdout)


@pytest.mark.parametrize("command", commands())
def test_every_option_and_argument_has_a_help(command: str) -> None:
    parameters = [p for p in commands()[command].params if isinstance(p, TyperOption | TyperArgument)]
    assert [p.name for p in parameters if not p.help] == []


@pytest.mark.parametrize("command", [[], ["profile"]])
def test_the_list_of_commands_cuts_no_summary_short(command: list[str]) -> None:
    assert "..." not in CliRunner().invoke(cli.app, [*command, "--help"]).stdout.partition("Commands:")[2]


def test_the_commands_are_listed_in_the_order_of_a_users_work() -> None:
    listed = CliRunner().invoke(cli.app, ["--help"]).stdout.partition("Commands:")[2]
    order = [
        "list",
        "new",
        "prepare",
        "train",
        "sweep",
        "report",
        "compare",
        "runs",
        "publish",
        "merge",
        "site",
        "label",
    ]
    order += ["predict", "export", "replay", "figures", "profile", "check", "cluster", "ui"]
    assert re.findall(r"^  (\w+)", listed, re.MULTILINE) == order


def test_list_names_every_plug_in_with_a_summary(tmp_path: Path) -> None:
    found = json.loads(dta_bench("list", "--json", cwd=tmp_path).stdout)
    assert set(found) == {"benchmarks", "suites", "backbones", "methods", "search_spaces", "recipes", "rules"}
    assert {"digits", "fonts_digits", "visda", "gta5_cityscapes"} <= {e["name"] for e in found["benchmarks"]}
    assert {"dta", "dta_released", "source_only", "target_only"} <= {e["name"] for e in found["methods"]}
    assert {"conv3_fc2", "conv9_fc1"} <= {e["name"] for e in found["backbones"]}
    assert all(entry["summary"] for entries in found.values() for entry in entries)


@pytest.mark.parametrize(("space", "points"), [("visda", 120), ("gta5_cityscapes", 12)])
def test_dry_run_counts_the_papers_points_without_data(space: str, points: int, tmp_path: Path) -> None:
    plan = json.loads(dta_bench_here("sweep", space, "--dry-run", "--json", cwd=tmp_path).stdout)
    assert plan["points"] == points
    swept = [run for run in plan["runs"] if run["method"] == "dta"]
    assert len({run["id"] for run in swept}) == len(swept) == points
    assert {run["method"] for run in plan["runs"]} == {"dta", "source_only"}
    assert (plan["done"], plan["running"], plan["to_do"]) == (0, 0, len(plan["runs"]))


def test_dry_run_puts_the_row_of_table_a1_first(tmp_path: Path) -> None:
    asked = ["sweep", "visda", "--points", "3", "--dry-run", "--gpus", "2", "--json"]
    plan = json.loads(dta_bench_here(*asked, cwd=tmp_path).stdout)
    assert plan["points"] == 3
    hours, time = plan["estimate"]["gpu_hours"], plan["time"]
    assert max(hours / 2, time["longest_run_hours"]) <= time["hours"] < hours
    first = plan["runs"][0]["params"]
    row = {"lambda_1": 2, "lambda_2": 0.02, "lambda_3": 0.2, "delta_e": 0.1, "delta_c": 0.01, "epsilon": 15}
    assert {key: first[key] for key in row} == row


def test_a_dry_run_leaves_nothing_behind(tmp_path: Path) -> None:
    dta_bench_here("sweep", "visda", "--dry-run", "--json", cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_search_space_is_refused_with_near_matches(tmp_path: Path) -> None:
    assert "fonts_digits" in refused(dta_bench("sweep", "font_digits", cwd=tmp_path))


@pytest.mark.parametrize(
    ("option", "wrong", "near"), [("--method", "dtaa", "dta"), ("--backbone", "resnet5", "resnet50")]
)
def test_an_unknown_plug_in_is_refused_with_near_matches(option: str, wrong: str, near: str, tmp_path: Path) -> None:
    said = refused(dta_bench_here("sweep", "visda", option, wrong, "--dry-run", cwd=tmp_path))
    assert wrong in said
    assert near in said


def test_missing_data_says_what_to_put_where(tmp_path: Path) -> None:
    said = refused(dta_bench_here("sweep", "visda", "--points", "1", "--root", str(tmp_path / "nowhere"), cwd=tmp_path))
    assert "image_list.txt" in said
    assert str(tmp_path / "nowhere") in said


def test_a_value_outside_its_set_is_refused(tmp_path: Path) -> None:
    said = refused(dta_bench_here("sweep", "visda", "--points", "121", "--dry-run", cwd=tmp_path))
    assert "121" in said
    assert "120" in said


def test_every_error_of_a_file_comes_at_once(tmp_path: Path) -> None:
    (tmp_path / "search_spaces").mkdir()
    (tmp_path / "search_spaces" / "mine.yaml").write_text(
        "benchmark: digits\ntrainig: {epochs: 3}\ntraining: {epochs: -1, optimizer: lion, learning_rate: 1e-3,"
        " batch_size: 8}\nbackbones: {conv3_fc2: {lambda_1: 2}}\n"
    )
    said = refused(dta_bench_here("sweep", "mine", "--dry-run", cwd=tmp_path))
    for expected in ("mine.yaml", "trainig", "training.epochs", "training.optimizer", "lion", "adam"):
        assert expected in said


def test_an_unwritable_output_folder_is_refused_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    said = refused(dta_bench_here("sweep", "fonts_digits", "--out", str(tmp_path / "file"), cwd=tmp_path))
    assert "file" in said


def test_an_mlflow_server_out_of_reach_is_refused_before_training(tmp_path: Path) -> None:
    arguments = ("sweep", "fonts_digits", "--points", "1", "--tracking-uri", "http://127.0.0.1:9")
    said = refused(dta_bench_here(*arguments, cwd=tmp_path))
    assert "127.0.0.1:9" in said


def test_a_user_folder_comes_before_what_is_shipped(tmp_path: Path) -> None:
    (tmp_path / "backbones").mkdir()
    (tmp_path / "backbones" / "mine.py").write_text(
        '"""My own net."""\ntask = "classification"\ndef build(n, w): ...\n'
    )
    found: dict[str, Any] = json.loads(dta_bench_here("list", "--json", cwd=tmp_path).stdout)
    assert {"name": "mine", "summary": "My own net."} in found["backbones"]


def test_torch_and_torchvision_of_two_builds_are_told_in_one_sentence(tmp_path: Path) -> None:
    # What import does when a CPU-only torch stands beside PyPI's torchvision.
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text(
        'raise RuntimeError("operator torchvision::nms does not exist")'
    )
    said = refused(dta_bench("sweep", "visda", "--dry-run", cwd=tmp_path, PYTHONPATH=str(tmp_path)))
    assert "were not built for each other" in said
    assert "torchvision::nms" in said


@pytest.mark.parametrize("setting", ["kl=foo", "lambda_2=-1", "lambda_3=nan", "lambda_2=abc", "unheard=1", "lambda_2"])
def test_a_value_that_a_method_cannot_take_is_refused_before_anything_is_written(setting: str, tmp_path: Path) -> None:
    said = refused(dta_bench_here("train", "digits", "--set", setting, "--json", cwd=tmp_path))
    assert setting.partition("=")[0] in said
    assert list(tmp_path.iterdir()) == []


def test_a_label_subset_larger_than_target_train_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    said = refused(dta_bench_here("train", "digits", "--labels", "5000", cwd=tmp_path))
    assert "5000" in said
    assert "1197" in said
    assert list(tmp_path.iterdir()) == []
