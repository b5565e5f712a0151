"""The folder of Ray's sessions: this user's alone, and short enough for the names of sockets."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from small_runs import spec_of

from dta_bench.errors import UserError
from dta_bench.run.workspace import Workspace
from dta_bench.sweep.on_ray import session_folder as module
from dta_bench.sweep.on_ray.cluster import Resources, connect
from dta_bench.sweep.on_ray.session_folder import session_folder

NOBODY = 65534
ENGLISH = os.environ | {"LC_ALL": "C"}
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to act as a second user")


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder with a short name that all users can write to, as /tmp."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="t") as name:
        Path(name).chmod(0o1777)
        monkeypatch.delenv("RAY_TMPDIR", raising=False)
        monkeypatch.setattr(tempfile, "tempdir", name)
        yield Path(name)


@needs_root
@pytest.mark.usefixtures("temporary")
def test_a_second_user_cannot_read_what_ray_writes() -> None:
    folder = session_folder()
    folder.mkdir()
    folder.chmod(0o777)  # Ray does this
    (folder / "log").write_text("secret")
    assert folder.parent.stat().st_mode & 0o777 == 0o700
    for command in (["ls", folder], ["cat", folder / "log"], ["touch", folder / "planted"]):
        other = subprocess.run(
            command, user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True, text=True, env=ENGLISH
        )
        assert other.returncode != 0
        assert "Permission denied" in other.stderr


@needs_root
def test_a_folder_that_a_second_user_planted_is_refused_in_words(temporary: Path) -> None:
    planted = temporary / f"dta-bench-{os.geteuid()}"
    subprocess.run(["mkdir", "-m", "777", planted], user=NOBODY, group=NOBODY, extra_groups=[], check=True)
    with pytest.raises(UserError, match=r"is another user's\); set TMPDIR to a folder"):
        session_folder()


@needs_root
def test_nothing_of_ray_is_started_then(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    planted = temporary / f"dta-bench-{os.geteuid()}"
    subprocess.run(["mkdir", "-m", "777", planted], user=NOBODY, group=NOBODY, extra_groups=[], check=True)
    workspace = Workspace(str(temporary), str(temporary), "")
    starting = connect(Resources(), spec_of(), workspace, Console(quiet=True))
    with pytest.raises(UserError, match=r"^Ray has no folder of its own for this sweep"), starting:
        pass
    assert list(planted.iterdir()) == []


def test_a_long_tmpdir_is_left_for_a_short_folder(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ALWAYS_SHORT", temporary)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary / ("x" * 60)))
    assert session_folder() == temporary / f"dta-bench-{os.geteuid()}" / "ray"


def test_rays_own_variable_names_the_folder(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(temporary / "r"))
    assert session_folder().is_relative_to(temporary / "r")
