"""Another user makes the image cache's default folder first: it is refused in a sentence, and nothing goes into it."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from fault_notes import Note
from odd_environments import run, workplace

from dta_bench.data import image_cache

NOBODY = 65534
NAME = f"dta-bench-images-{os.geteuid()}"
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to act as a second user")


def plant(folder: Path, kind: str) -> Path:
    """As a second user, make the folder, or a link to a folder of theirs, in a folder that all users may write to.

    Returns: the second user's folder.
    """
    folder.mkdir()
    folder.chmod(0o1777)
    theirs = folder / (NAME if kind == "folder" else "theirs")
    link = f"ln -s {theirs} {folder / NAME}" if kind == "link" else "true"
    line = f"mkdir -m 777 {theirs} && {link}"
    subprocess.run(["sh", "-c", line], user=NOBODY, group=NOBODY, extra_groups=[], check=True)
    return theirs


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A name in /tmp, which the second user can reach."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="t") as name:
        Path(name).chmod(0o755)
        yield Path(name) / "tmp"


@pytest.mark.parametrize(("kind", "reason"), [("folder", "is another user's"), ("link", "is a link, and another user")])
def test_a_planted_default_folder_is_refused(
    kind: str, reason: str, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = plant(temporary, kind)
    monkeypatch.delenv("DTA_BENCH_CACHE")
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    with pytest.warns(UserWarning, match=f"{temporary / NAME} {reason}.*; set DTA_BENCH_CACHE to a folder of your own"):
        assert image_cache.open_store("data") is None
    assert list(theirs.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["folder", "link"])
@pytest.mark.parametrize(
    "command",
    [("train", "--method", "source_only"), ("sweep", "--methods", "source_only", "--seeds", "1", "--confirm", "0")],
)
def test_the_command_says_so_once_and_trains_without_it(kind: str, command: tuple[str, ...], note: Note) -> None:
    with workplace() as folder:
        theirs = plant(folder / "tmp", kind)
        line = (command[0], "mine", *command[1:], "--backbone", "conv9_fc1", "--epochs", "1", "--root", "data")
        env = {"TMPDIR": str(folder / "tmp"), "HOME": str(folder / "own")}
        done = run(folder, [], env, *line, "--training", "batch_size=4", "--out", "out")
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("note: images are not kept, ") == 1
        assert "UserWarning" not in done.stderr
        assert list(theirs.iterdir()) == []
    note(
        "another user made the folder for decoded images first, as a folder or as a link",
        "one line names it and DTA_BENCH_CACHE; the run went on without it, and nothing went into it",
    )
