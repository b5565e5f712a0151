"""What runs of the folder where the command is called: the plug-in that is named, and nothing else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dta_bench import plugins
from dta_bench.data.benchmark_plugin import benchmark_plugin
from dta_bench.spec.method_plugin import method_plugin

KINDS = ("methods", "benchmarks", "backbones")
TELL = "from pathlib import Path\nwith Path({file!r}).open('a') as told:\n    told.write({name!r} + '\\n')\n"


@pytest.fixture
def here(out: Path) -> Path:
    """A working directory in which each file tells by its name that it was run."""
    for kind in KINDS:
        (out / kind).mkdir()
        shipped = {"methods": "source_only", "benchmarks": "fonts_digits", "backbones": "conv3_fc2"}[kind]
        for name in (f"{kind}_other", f"{kind}_named"):
            write(out / kind / f"{name}.py", out, f"{name}\nSame as {shipped}.")
    with (out / "methods/methods_named.py").open("a") as file:
        file.write("from dta_bench.methods.source_only import *\n")
    for name in ("helper_of_mine", "random", "sitecustomize", "conftest", "setup"):
        write(out / f"{name}.py", out, name)
    return out


def write(file: Path, out: Path, docstring: str) -> None:
    name = docstring.splitlines()[0]
    file.write_text(f'"""{docstring}"""\n' + TELL.format(file=str(out / "run.txt"), name=name))


def has_run(out: Path) -> set[str]:
    """The files that told that they were run."""
    return set((out / "run.txt").read_text().split()) if (out / "run.txt").exists() else set()


def dta_bench(here: Path, *arguments: str) -> str:
    """Run the command as its executable does: without the folder in the module path."""
    command = [sys.executable, "-P", "-m", "dta_bench", *arguments]
    env = os.environ | {"PYTHONPATH": str(Path(plugins.__file__).parents[1])}
    done = subprocess.run(command, cwd=here, env=env, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_list_shows_what_files_say_of_themselves_and_runs_none(here: Path) -> None:
    shown = dta_bench(here, "list")
    assert all(f"{kind}_named" in shown for kind in KINDS)
    assert has_run(here) == set()


def test_looking_up_shipped_names_runs_no_file_of_the_user(here: Path) -> None:
    benchmark_plugin("fonts_digits")
    method_plugin("source_only")
    plugins.load("backbone", "conv3_fc2")
    assert has_run(here) == set()


@pytest.mark.slow
def test_train_runs_the_file_that_is_named_and_no_other(here: Path) -> None:
    line = ("train", "fonts_digits", "--epochs", "1")
    dta_bench(here, *line, "--method", "source_only")
    assert has_run(here) == set()
    dta_bench(here, *line, "--method", "methods_named")
    assert has_run(here) == {"methods_named"}


@pytest.mark.slow
def test_a_sweep_runs_the_file_that_is_named_and_no_other(here: Path) -> None:
    line = (
        "sweep",
        "fonts_digits",
        "--epochs",
        "1",
        "--points",
        "1",
        "--seeds",
        "1",
        "--confirm",
        "0",
        "--parallel",
        "1",
    )
    dta_bench(here, *line, "--method", "methods_named")
    assert has_run(here) == {"methods_named"}
