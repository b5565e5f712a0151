"""The commit that a run notes, in a checkout and in a copy of it that has no history."""

import shutil
import subprocess
from pathlib import Path

import pytest

import dta_bench
from dta_bench.run import fingerprint


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of one commit in which the package seems to lie."""
    folder = tmp_path / "checkout"
    (folder / "dta_bench").mkdir(parents=True)
    file = folder / "dta_bench" / "__init__.py"
    file.write_text("x = 1\n")
    identity = ("-c", "user.name=n", "-c", "user.email=e@e", "-c", "commit.gpgsign=false")
    for words in (("init", "-q"), ("add", "."), (*identity, "commit", "-qm", "one")):
        subprocess.run(["git", "-C", folder, *words], check=True)
    monkeypatch.setattr(dta_bench, "__file__", str(file))
    return folder


def without_history(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy as ``ray up`` makes it: all but the objects."""
    copied = checkout.with_name("copy")
    shutil.copytree(checkout, copied, ignore=lambda at, names: names if at.endswith(".git/objects") else [])
    monkeypatch.setattr(dta_bench, "__file__", str(copied / "dta_bench" / "__init__.py"))
    return copied


def test_a_checkout_says_whether_files_differ(checkout: Path) -> None:
    clean = fingerprint.commit()
    assert len(clean) == 12
    (checkout / "dta_bench" / "__init__.py").write_text("x = 2\n")
    assert fingerprint.commit() == f"{clean}-dirty"


def test_a_copy_without_history_has_the_commit_and_says_that_it_is_a_copy(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = fingerprint.commit()
    without_history(checkout, monkeypatch)
    assert fingerprint.commit() == f"{commit}-copied"


def test_a_copy_still_sees_changes(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = fingerprint.commit()
    (checkout / "dta_bench" / "__init__.py").write_text("x = 3\n")
    without_history(checkout, monkeypatch)
    assert fingerprint.commit() == f"{commit}-dirty"


def test_without_git_the_commit_is_read_from_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dta_bench").mkdir()
    monkeypatch.setattr(dta_bench, "__file__", str(tmp_path / "dta_bench" / "__init__.py"))
    assert fingerprint.commit() == "unknown"
    (tmp_path / ".commit").write_text("0123456789abcdef0123456789abcdef01234567\n")
    assert fingerprint.commit() == "0123456789ab-copied"
    (tmp_path / ".commit").write_text("")
    assert fingerprint.commit() == "unknown"
