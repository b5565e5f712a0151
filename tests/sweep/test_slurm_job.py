"""The job script for Slurm: what it asks for, what it runs, and that it stays the shipped script."""

import re
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import refusal
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from dta_bench import cli
from dta_bench.errors import UserError
from dta_bench.sweep import slurm_job
from dta_bench.sweep.slurm_job import SlurmJob, format_time, parse_time, script

JOB = SlurmJob((("sweep", "visda"),), nodes=4, gpus=4, cpus=32, seconds=8 * 3600, notice=300, partition="P")


def asked(text: str) -> dict[str, str]:
    """The options that sbatch finds in a script; as it does, only before the first command."""
    head = text.partition("\nset -euo")[0]
    return dict(re.findall(r"^#SBATCH --([a-z-]+)=?(.*)$", head, re.MULTILINE))


def commands_of(text: str, task: int = 0) -> list[str]:
    """What a script's own lines make of a task's command, in a real bash."""
    lines = text[text.index("commands=") : text.index("say()")]
    run = f'{lines}\nSLURM_ARRAY_TASK_ID={task}\neval "command=(${{commands[$SLURM_ARRAY_TASK_ID]}})"\n'
    done = subprocess.run(["bash", "-c", f"{run}printf '%s\\0' \"${{command[@]}}\""], capture_output=True, check=True)
    return done.stdout.decode().split("\0")[:-1]


def test_a_job_asks_for_what_was_said() -> None:
    found = asked(script(JOB))
    assert found.items() >= {
        "nodes": "4", "gpus-per-node": "4", "cpus-per-task": "32", "time": "0-08:00:00", "partition": "P",
        "signal": "B:USR1@300", "requeue": "", "open-mode": "append", "ntasks-per-node": "1",
    }.items()  # fmt: skip


def test_without_gpus_and_partition_neither_is_asked_for() -> None:
    assert not {"gpus-per-node", "partition", "array"} & asked(script(replace(JOB, gpus=0, partition=""))).keys()


def test_further_options_go_to_slurm() -> None:
    assert asked(script(replace(JOB, further=("account=vision", "exclusive")))).items() >= {
        "account": "vision", "exclusive": ""
    }.items()  # fmt: skip


def test_the_sweep_is_told_its_folder_by_the_option_so_that_commands_for_later_name_it(tmp_path: Path) -> None:
    stub = tmp_path / "bin" / "dta-bench"
    stub.parent.mkdir()
    stub.write_text('#!/bin/sh\necho "$@" DTA_BENCH_OUT="$DTA_BENCH_OUT"\n')
    stub.chmod(0o755)
    job = replace(JOB, commands=(("sweep", "visda", "--out", str(tmp_path / "x")),))
    slurm = {"SLURM_JOB_ID": "1", "SLURM_JOB_NUM_NODES": "1", "SLURM_JOB_NODELIST": "here", "DTA_BENCH_OUT": "other"}
    env = {"PATH": f"{stub.parent}:/usr/bin:/bin", **slurm}
    done = subprocess.run(
        ["bash", "-c", script(job)], env=env, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == f"sweep visda --out {tmp_path / 'x'} --out {tmp_path / 'x'} DTA_BENCH_OUT="


def test_the_rest_is_the_shipped_script() -> None:
    own, shipped = script(JOB), slurm_job.template()
    assert own[own.index("say()") :] == shipped[shipped.index("say()") :]
    assert own.count("#SBATCH --nodes") == 1


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), max_size=4))
def test_words_reach_the_sweep_as_they_were_typed(words: list[str]) -> None:
    assert commands_of(script(replace(JOB, commands=(("sweep", *words),)))) == ["sweep", *words]


def test_the_shipped_script_takes_its_words_from_sbatch() -> None:
    lines = slurm_job.template()
    body = lines[lines.index("commands=") : lines.index("say()")]
    run = f'{body}\neval "command=(${{commands[0]}})"\nprintf "%s|" "${{command[@]}}"'
    done = subprocess.run(
        ["bash", "-c", run, "job", "sweep", "a b", "it's"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "sweep|a b|it's|"


def test_each_task_of_an_array_runs_its_own_sweep() -> None:
    text = script(replace(JOB, commands=(("sweep", "visda"), ("sweep", "digits", "--out", "a b"))))
    assert asked(text)["array"] == "0-1"
    assert commands_of(text, 1) == ["sweep", "digits", "--out", "a b"]


@pytest.mark.parametrize(("text", "seconds"), [
    ("8:00", 28800), ("0:30", 1800), ("8:00:00", 28800), ("2-0", 172800), ("1-08:30", 117000), ("36:00", 129600),
])  # fmt: skip
def test_a_limit_is_hours_and_minutes(text: str, seconds: int) -> None:
    assert parse_time(text) == seconds


@given(st.integers(0, 10**7))
def test_what_slurm_is_told_is_the_same_limit(seconds: int) -> None:
    assert parse_time(format_time(seconds)) == seconds


@pytest.mark.parametrize("text", ["30", "8h", "", "8:99", "-1:00", "1:2:3:4"])
def test_another_limit_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="it takes HOURS:MINUTES"):
        parse_time(text)


@pytest.mark.parametrize(("changed", "says"), [
    ({"seconds": 360}, "0-00:06:00 is too short"),
    ({"further": ("time=3",)}, "is set by dta-bench cluster slurm itself"),
    ({"further": ("--account=a",)}, "write it without dashes"),
    ({"further": ("comment=a\n#SBATCH --nodes=9",)}, "is no option of sbatch"),
])  # fmt: skip
def test_a_job_that_could_not_run_is_refused(changed: dict[str, object], says: str) -> None:
    with pytest.raises(UserError, match=says):
        script(replace(JOB, **changed))  # type: ignore[arg-type]


@pytest.mark.parametrize(("typed", "says"), [
    ("", "and was given nothing"),
    ("train digits", "and was given 'train digits'"),
    ("sweep nowhere", "no search space named 'nowhere'"),
    ("sweep digits --dry-run", "--dry-run runs nothing"),
    ("sweep digits --address a:1", "--address names another Ray"),
    ("--time 30 sweep digits", "--time 30 is no time limit"),
    ("--submit sweep digits", "--print writes no file"),
    ("--array nowhere.txt", "--array nowhere.txt cannot be read"),
])  # fmt: skip
def test_a_bad_line_is_one_sentence(typed: str, says: str, out: Path) -> None:
    assert says in refusal(f"cluster slurm --print {typed}")
    assert not list(out.iterdir())


def test_sweeps_of_an_array_need_folders_of_their_own(out: Path) -> None:
    (out / "sweeps").write_text("sweep digits --out a\n# a note\ndta-bench sweep fonts_digits --out ./a\n")
    assert f"would write to {out / 'a'}" in refusal("cluster slurm --print --array sweeps")


def test_without_slurm_the_reason_is_told(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm_job.shutil, "which", lambda _: None)
    with pytest.raises(UserError, match="sbatch is not on this machine"):
        slurm_job.submit(out / "job")


def test_the_command_writes_a_script_that_bash_accepts(out: Path, capfd: pytest.CaptureFixture[str]) -> None:
    line = "cluster slurm --nodes 2 --gpus 0 --to job.sh sweep digits --out o --method dta"
    CliRunner().invoke(cli.app, line.split())
    assert "2 nodes with 0 GPUs and 8 CPU cores each, for 8 h 00 min" in capfd.readouterr().out
    subprocess.run(["bash", "-n", out / "job.sh"], check=True)
    assert f"export DTA_BENCH_OUT={shlex.quote(str(out / 'o'))}" in (out / "job.sh").read_text()
