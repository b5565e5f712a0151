"""Another user makes the folder for Ray's sessions first: the sweep is refused in one sentence and does not use it."""

import os
import subprocess

import pytest
from command_line import refused
from fault_notes import Note
from odd_environments import run, workplace

NOBODY = 65534
SWEEP = (
    "sweep",
    "mine",
    "--methods",
    "source_only",
    "--seeds",
    "1",
    "--confirm",
    "0",
    "--epochs",
    "1",
    "--parallel",
    "1",
)


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to act as a second user")
def test_a_sweep_does_not_use_a_session_folder_of_another_user(note: Note) -> None:
    with workplace() as folder:
        temporary = folder / "t"
        temporary.mkdir()
        temporary.chmod(0o1777)
        theirs = temporary / f"dta-bench-{os.geteuid()}"
        subprocess.run(["mkdir", "-m", "777", theirs], user=NOBODY, group=NOBODY, extra_groups=[], check=True)
        env = {"HOME": str(folder / "own"), "RAY_TMPDIR": str(temporary)}
        done = run(folder, [], env, *SWEEP, "--backbone", "conv9_fc1", "--root", "data", "--out", "out")
        said = refused(done).splitlines()[-1]
        assert said.startswith(f"dta-bench: Ray has no folder of its own for this sweep ({theirs} is another user's)")
        assert "set RAY_TMPDIR to a folder that you can write to" in said
        assert list(theirs.iterdir()) == []
    note(
        "another user made the folder for Ray's sessions first",
        "refused before the first run: Ray has no folder of its own, it is another user's; set RAY_TMPDIR or TMPDIR",
    )
