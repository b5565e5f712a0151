"""What the command line says of itself: words for values, the version, lists by kind and task, completion."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command_line import command_tree
from small_runs import spec_of
from stored_runs import finish
from typer._completion_classes import BashComplete
from typer.testing import CliRunner

import dta_bench
from dta_bench import plugins
from dta_bench.cli import app
from dta_bench.cli.arguments import options_of
from dta_bench.cli.value_names import MANY
from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.errors import UserError
from dta_bench.tracking import Tracker


def commands(group: Any = None, path: str = "") -> dict[str, Any]:
    """All commands by what is typed."""
    group = command_tree() if group is None else group
    found = {}
    for name, command in group.commands.items():
        found |= commands(command, f"{path}{name} ") if hasattr(command, "commands") else {f"{path}{name}": command}
    return found


def run(*words: str) -> str:
    done = CliRunner().invoke(app, list(words), env={"COLUMNS": "100"})
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("name", commands())
def test_help_names_every_value_with_a_word_and_never_with_a_type_of_python(name: str) -> None:
    values = [p for p in commands()[name].params if not getattr(p, "is_flag", False)]
    assert {p.name: p.metavar for p in values if not p.metavar} == {}
    assert not re.search("<[a-z]", run(*name.split(), "--help"))


@pytest.mark.parametrize("name", commands())
def test_help_with_many_options_shows_each_once_under_a_heading(name: str) -> None:
    shown = run(*name.split(), "--help")
    options = [option for option in commands()[name].params if option.param_type_name == "option"]
    for option in options:
        line = rf"^  (-\w, )?{re.escape(option.opts[0])}(?= [A-Z]|  |\n|, -)"
        assert len(re.findall(line, shown, re.MULTILINE)) == 1, option.name
    assert "Other options:" not in shown
    assert ("Where things are:" in shown) == (len(options) + 1 >= MANY)


@pytest.mark.parametrize("columns", [80, 160])
def test_no_summary_of_a_command_is_cut(columns: int) -> None:
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": str(columns)}).output
    assert "..." not in shown.partition("Commands:")[2]


def test_version_is_the_packages() -> None:
    assert run("--version") == f"dta-bench {dta_bench.__version__}\n"


@pytest.mark.parametrize("typed", [["dta,mcc", "shot"], ["dta, mcc,shot"], ["dta", "mcc", "shot", "dta"]])
def test_several_values_come_with_commas_or_repeated(typed: list[str]) -> None:
    options = options_of(method=typed, backbone=["conv3_fc2,conv9_fc1"], stop=["asha,collapse"])
    assert options.methods == ("dta", "mcc", "shot")
    assert options.backbones == ("conv3_fc2", "conv9_fc1")
    assert options.stop == ("asha", "collapse")


def test_all_beside_a_method_is_refused_in_a_list_too() -> None:
    with pytest.raises(UserError, match="--method all stands for every method that may run"):
        options_of(method=["all,dta"])


@pytest.mark.parametrize("columns", [80, 160])
def test_a_list_has_one_line_for_each_name(columns: int) -> None:
    shown = CliRunner().invoke(app, ["list", "methods"], env={"COLUMNS": str(columns)}).output.splitlines()
    rows = [line for line in shown if line.startswith("  ") and "dta-bench" not in line]
    assert [row.split()[0] for row in rows] == list(plugins.names("method"))
    assert all(len(row) <= columns for row in rows)


def test_one_kind_is_listed_alone() -> None:
    assert list(json.loads(run("list", "backbones", "--json"))) == ["backbones"]
    assert list(json.loads(run("list", "search-spaces", "--json"))) == ["search_spaces"]


def test_a_task_leaves_what_it_cannot_run() -> None:
    found = json.loads(run("list", "--task", "segmentation", "--json"))
    names = {kind: [entry["name"] for entry in entries] for kind, entries in found.items()}
    assert list(names) == ["benchmarks", "backbones", "methods"]
    assert "gta5_cityscapes" in names["benchmarks"]
    assert "visda" not in names["benchmarks"]
    assert {"advent", "dta", "source_only"} <= set(names["methods"])
    assert "mcc" not in names["methods"]
    assert "unet_mini" in names["backbones"]
    assert "conv3_fc2" not in names["backbones"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["backbone"], "there is no kind of plug-in named 'backbone'; there are: benchmarks, suites"),
        (["--task", "detection"], "there is no task named 'detection'; there are: classification, segmentation"),
        (["recipes", "--task", "segmentation"], "recipes have no task of their own; leave --task out"),
    ],
)
def test_what_cannot_be_listed_is_said(words: list[str], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        run("list", *words)


def completed(typed: str) -> list[str]:
    """What a shell offers for the last word."""
    *words, last = typed.split(" ")
    shell = BashComplete(command_tree(), {}, "dta-bench", "_DTA_BENCH_COMPLETE")
    return [str(item.value) for item in shell.get_completions(words, last)]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("sweep vis", "visda"),
        ("sweep visda --method dta,mc", "dta,mcc"),
        ("train digits --backbone conv3_f", "conv3_fc2"),
        ("report digits --select orac", "oracle"),
        ("sweep digits --stop asha,coll", "asha,collapse"),
        ("prepare office3", "office31"),
        ("check method dta_rel", "dta_released"),
        ("export 1234 --to torchs", "torchscript"),
        ("runs --status fa", "failed"),
    ],
)
def test_a_shell_completes_names_and_values(typed: str, expected: str) -> None:
    assert expected in completed(typed)


def test_a_shell_completes_the_identities_of_runs(tmp_path: Path) -> None:
    tracker = Tracker(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path)
    tracker.check()
    tracker.experiment(benchmark_of("fonts_digits"))
    specs = [spec_of("dta", seed=seed) for seed in (0, 1)]
    for spec in specs:
        finish(tracker, spec, 0.6)
    for words in ("predict", "export", "figures", "runs rm", "label mine --run"):
        command, *others = words.split(" ")
        typed = " ".join([command, "--out", str(tmp_path), *others, specs[0].id[:6]])
        assert completed(typed) == [specs[0].id], words
    assert completed("predict --out /nowhere 1") == []


def test_a_real_shell_is_answered() -> None:
    asked = {"_DTA_BENCH_COMPLETE": "complete_bash", "COMP_WORDS": "dta-bench sweep vis", "COMP_CWORD": "2"}
    script = "import sys; sys.argv = ['dta-bench']; from dta_bench.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", script], env=os.environ | asked, capture_output=True, text=True)
    assert "visda" in done.stdout.split()
