"""No home, an unknown user, no shared memory, odd temporary folders: it works, or one sentence says what to set.

Real processes, and other file systems and users where root may have them.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from odd_environments import OF_STRANGER, STRANGER, run, with_mounts, workplace

from dta_bench.errors.environment import environment_error

TINY_SHM = with_mounts("mount -t tmpfs -o size=64k tmpfs /dev/shm")
FULL_SHM = with_mounts(
    "mount -t tmpfs -o size=8m tmpfs /dev/shm", "{ head -c 9m /dev/zero > /dev/shm/full 2> /dev/null || true; }"
)
READ_ONLY_TMP = with_mounts(
    "for folder in /tmp /var/tmp; do mount --bind $folder $folder && mount -o remount,bind,ro $folder; done",
    "mount -t tmpfs tmpfs own",
)
RUN = ("mine", "--backbone", "conv9_fc1", "--epochs", "1", "--training", "batch_size=4", "--root", "data")
LIST, PREPARE = ("list",), ("prepare", "mine", "--root", "data")
TRAIN = ("train", *RUN, "--method", "source_only", "--out", "own/out")
SWEEP = ("sweep", *RUN, "--methods", "source_only", "--seeds", "2", "--confirm", "0", "--out", "own/out")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A workplace; what the stranger leaves in /tmp is removed, unless it was there before."""
    left = [Path("/tmp", name) for name in (f"dta-bench-{STRANGER}", f"dta-bench-images-{STRANGER}")]
    before = [path for path in left if path.exists()]
    with workplace() as made:
        yield made
    for path in left:
        if path not in before:
            shutil.rmtree(path, ignore_errors=True)


@pytest.mark.parametrize("command", [LIST, PREPARE])
def test_without_a_home_and_a_known_user_the_data_are_prepared(folder: Path, command: tuple[str, ...]) -> None:
    done = run(folder, OF_STRANGER, {"TMPDIR": "own"}, *command)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("command", [TRAIN, SWEEP])
def test_a_run_of_an_unknown_user_without_a_home_is_refused_with_the_variable(
    folder: Path, command: tuple[str, ...]
) -> None:
    done = run(folder, OF_STRANGER, {"TMPDIR": "own"}, *command)
    assert done.returncode == 2
    said = "no home folder is known: HOME is not set, and this user is not in /etc/passwd; set HOME to a folder"
    assert done.stderr.splitlines()[-1] == f"dta-bench: {said}"


@pytest.mark.slow
@pytest.mark.parametrize("command", [TRAIN, SWEEP])
def test_without_any_temporary_folder_a_run_is_refused_with_the_variable(
    folder: Path, command: tuple[str, ...]
) -> None:
    done = run(folder, READ_ONLY_TMP, {}, *command)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    said = done.stderr.splitlines()[-1]
    assert said.startswith("dta-bench: no folder for temporary files can be written to (/tmp, /var/tmp, /usr/tmp, ")
    assert said.endswith("; set TMPDIR to one that can")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("opening", "env"),
    [
        pytest.param([], {}, id="HOME unset, user known"),
        pytest.param(OF_STRANGER, {"HOME": "own", "TMPDIR": "own"}, id="user unknown"),
        pytest.param(OF_STRANGER, {"HOME": "data", "TMPDIR": "own"}, id="user unknown, HOME not writable"),
        pytest.param(OF_STRANGER, {"HOME": "own", "TMPDIR": "data"}, id="TMPDIR not writable"),
        pytest.param([], {"TMPDIR": "own/" + "x" * 100}, id="TMPDIR too long for sockets"),
        pytest.param([], {"TMPDIR": "nowhere"}, id="TMPDIR does not exist"),
        pytest.param(TINY_SHM, {}, id="/dev/shm of 64 KiB"),
        pytest.param(FULL_SHM, {}, id="/dev/shm full"),
    ],
)
def test_these_odd_environments_work(folder: Path, opening: list[str], env: dict[str, str]) -> None:
    given = {name: str(folder / value) for name, value in env.items()}
    (folder / "own" / ("x" * 100)).mkdir()
    for command in (LIST, PREPARE, TRAIN, SWEEP):
        done = run(folder, opening, given, *command)
        assert done.returncode == 0, (command[0], done.stderr)
        assert "Traceback" not in done.stderr


def test_a_home_that_is_not_known_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(user: int) -> None:
        raise KeyError(user)

    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", unknown)
    with pytest.raises(RuntimeError) as raised:
        Path.home()
    assert "set HOME" in environment_error(raised.value)


def test_temporary_folders_that_cannot_be_used_are_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr("tempfile._candidate_tempdir_list", lambda: ["/proc/a", "/proc/b"])
    import tempfile

    with pytest.raises(FileNotFoundError) as raised:
        tempfile.gettempdir()
    assert "(/proc/a, /proc/b); set TMPDIR" in environment_error(raised.value)


@pytest.mark.parametrize("error", [RuntimeError("out of memory"), FileNotFoundError(2, "No such file", "x")])
def test_other_errors_are_not_the_environments(error: Exception) -> None:
    assert environment_error(error) == ""
