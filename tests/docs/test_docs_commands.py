"""Every command of the documentation, run: what reads at once, what trains made small and marked slow."""

import shlex
import subprocess
import sys
import webbrowser
from pathlib import Path

import pytest
from documentation import commands, walkthrough_commands
from small_runs import spec_of
from stored_runs import finish
from typer.testing import CliRunner

from dta_bench import cli
from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.run.workspace import Workspace

SMALL = {
    "sweep": ["--points", "1", "--seeds", "1", "--confirm", "0", "--epochs", "1"], "train": ["--epochs", "1"],
    "profile": ["--batch", "2", "--rounds", "1"],
}  # fmt: skip
"""What makes a command that trains small; of an option that is given twice the last counts."""
NOT_HERE = ("visda", "gta5_cityscapes", "pets", "photographs", "zoo", "pacs", "office", "archive")
"""Data that need a download or a login, or that the reader has."""
NAMED_RUN = "26ee7d47c6b0"
"""The run that the pages draw figures of; a test puts its own there."""
ELSEWHERE = {"ui"}  # serves until it is stopped: tests/report/html/test_browser.py
CLUSTER_FILES = {f"dta-bench check cluster {name}" for name in ("cluster.yaml", "mine.yaml", "cluster/machines.yaml")}
WALKED = {*walkthrough_commands(), *CLUSTER_FILES}
"""Run with the files that they need, in tests/docs/test_contributing.py and tests/cluster (test_cluster_file.py, and
test_aws_account.py for mine.yaml)."""


def reads(line: str) -> bool:
    """Whether a command only reads what is stored or looks at plug-ins of the digits; seconds at most."""
    _, name, *arguments = shlex.split(line)
    if line in WALKED:
        return False
    return (name == "report" and not {"visda", "zoo", "--recipes"} & set(arguments)) or (
        name == "check" and not arguments[-1].startswith("timm/")
    )


def runs(line: str) -> bool:
    """Whether it is left for the slow test: neither reads, nor serves, nor is run as it stands in another file."""
    name = line.split()[1]
    elsewhere = name in ELSEWHERE or name == "list" or "--dry-run" in line or line in WALKED
    return not reads(line) and not elsewhere


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with finished runs of the fonts pair."""
    out = tmp_path_factory.mktemp("documented")
    tracker = Workspace(str(out / "data"), str(out), f"sqlite:///{out / 'mlflow.db'}").tracker()
    tracker.check()
    tracker.experiment(benchmark_of("fonts_digits"))
    for seed in (0, 1):
        for lambda_2, rate in ((0.01, 0.7), (0.02, 0.8)):
            finish(tracker, spec_of("dta", seed=seed, lambda_2=lambda_2), rate)
        finish(tracker, spec_of("source_only", seed=seed), 0.5)
    return out


@pytest.fixture(autouse=True)
def no_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    """``--open`` opens nothing here."""
    monkeypatch.setattr(webbrowser, "open", lambda *_: True)
    monkeypatch.setenv("BROWSER", "true")


@pytest.mark.parametrize("line", [line for line in commands() if reads(line)])
def test_what_reads_is_run_as_it_stands(
    line: str, store: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(store)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    result = CliRunner().invoke(cli.app, shlex.split(line)[1:])
    assert result.exit_code == 0, result.exception
    assert capfd.readouterr().out.strip()


def test_no_command_is_left_out() -> None:
    stands = {line for line in commands() if "--dry-run" in line or line.split()[1] in {"list", *ELSEWHERE}}
    stands |= WALKED
    assert stands | {line for line in commands() if reads(line) or runs(line)} == set(commands())


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with one real run of the fonts pair and source-only beside it, and the identity of the first."""
    out = tmp_path_factory.mktemp("trained")
    for method in ("source_only", "dta_released"):
        said = run(f"dta-bench train fonts_digits --method {method} --seed 0 --json", out)
        assert said.returncode == 0, said.stderr
    tracked = Workspace(str(out / "data"), str(out), f"sqlite:///{out / 'mlflow.db'}").tracker().runs("fonts_digits")
    return out, next(one.run_id for one in tracked if one.spec.method == "dta_released")


def run(line: str, out: Path) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, as a reader types it, but small."""
    _, name, *arguments = shlex.split(line)
    small = [] if arguments[:1] == ["memory"] else SMALL.get(name, [])  # which computes no step
    command = [sys.executable, "-m", "dta_bench", name, *arguments, *small]
    return subprocess.run(command, cwd=out, capture_output=True, text=True, timeout=1800)


@pytest.mark.slow
@pytest.mark.parametrize("line", [line for line in commands() if runs(line)])
def test_what_trains_is_run_small(line: str, trained: tuple[Path, str]) -> None:
    """What needs data or a plug-in that is not here says so in one sentence, with status 2."""
    out, run_id = trained
    said = run(line.replace(NAMED_RUN, run_id), out)
    assert "Traceback" not in said.stderr
    if said.returncode != 0:
        assert any(name in line for name in NOT_HERE), said.stderr
        assert said.returncode == 2, said.stderr
        assert said.stderr.strip().splitlines()[-1]
