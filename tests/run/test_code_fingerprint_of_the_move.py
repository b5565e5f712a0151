"""When a code fingerprint of the scheme before still counts as that of today's code."""

import functools
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from small_runs import spec_of

from dta_bench import plugins
from dta_bench.run import checkpoint, code_fingerprint
from dta_bench.run.code_fingerprint import OURS
from dta_bench.run.workspace import Workspace
from dta_bench.spec.run_spec import RunSpec
from dta_bench.sweep.done_runs import State
from dta_bench.sweep.print_state import notes_on_old_scheme, print_notes

CLASSIFICATION = spec_of("dta")
SEGMENTATION = replace(CLASSIFICATION, method="advent", params={}, benchmark="streets_mini", backbone="unet_mini")
TAGS = {"code_fingerprint": "0e0b16e371a5", "commit": code_fingerprint.MOVE[0]}


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A record of today's code, in place of the package's."""
    monkeypatch.setattr(code_fingerprint, "RECORD", tmp_path / "record.json")
    code_fingerprint.write_record()
    monkeypatch.setattr(
        code_fingerprint, "_is_as_recorded", functools.cache(code_fingerprint._is_as_recorded.__wrapped__)
    )
    return tmp_path / "record.json"


@pytest.mark.parametrize(("mark", "is_old"), [("0e0b16e371a5", True), ("ast1:0e0b16e371a5", False), ("", False)])
def test_the_old_scheme_is_twelve_bare_digits(mark: str, is_old: bool) -> None:
    assert code_fingerprint.is_old_scheme({"code_fingerprint": mark}) is is_old


@pytest.mark.usefixtures("record")
@pytest.mark.parametrize("spec", [CLASSIFICATION, SEGMENTATION], ids=["digits", "streets"])
def test_an_old_mark_counts_while_the_code_is_that_of_the_move(spec: RunSpec) -> None:
    assert code_fingerprint.is_of_the_move(TAGS, spec)


@pytest.mark.usefixtures("record")
@pytest.mark.parametrize("commit", [f"{code_fingerprint.MOVE[0]}-dirty", "unknown", "a32c32c00000", None])
def test_an_old_mark_of_other_commits_does_not_count(commit: str | None) -> None:
    tags = {"code_fingerprint": TAGS["code_fingerprint"]} | ({"commit": commit} if commit else {})
    assert not code_fingerprint.is_of_the_move(tags, CLASSIFICATION)


@pytest.mark.usefixtures("record")
def test_a_mark_of_this_scheme_is_never_taken_for_an_old_one() -> None:
    assert not code_fingerprint.is_of_the_move(TAGS | {"code_fingerprint": "ast1:0e0b16e371a5"}, CLASSIFICATION)


@pytest.mark.parametrize(
    ("path", "counts"), [("nn/distributed.py", False), ("methods/dta.py", False), ("methods/mcd.py", True)]
)
def test_an_old_mark_counts_no_more_once_a_file_of_its_closure_changed(record: Path, path: str, counts: bool) -> None:
    text = record.read_text()
    digest = OURS.digest(plugins.PACKAGE / path)
    assert text.count(digest) == 1
    record.write_text(text.replace(digest, "0" * 64))
    assert code_fingerprint.is_of_the_move(TAGS, CLASSIFICATION) is counts


def test_a_module_that_moved_after_the_move_still_counts(record: Path) -> None:
    record.write_text(record.read_text().replace('"nn/losses.py"', '"nn/objectives.py"'))
    assert code_fingerprint.is_of_the_move(TAGS, CLASSIFICATION)


def test_a_plugin_with_the_content_of_another_does_not_count(record: Path) -> None:
    record.write_text(record.read_text().replace('"methods/dta.py"', '"methods/other.py"'))
    assert not code_fingerprint.is_of_the_move(TAGS, CLASSIFICATION)


@pytest.mark.usefixtures("record")
def test_a_users_own_plugin_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "methods").mkdir()
    shutil.copy(plugins.PACKAGE / "methods/source_only.py", tmp_path / "methods/mine.py")
    monkeypatch.chdir(tmp_path)
    assert code_fingerprint.is_of_the_move(TAGS, replace(CLASSIFICATION, method="mine", params={}))


@pytest.mark.usefixtures("record")
def test_a_users_own_backbone_in_the_checkout_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "backbones").mkdir()
    shutil.copy(plugins.path("backbone", "conv3_fc2"), tmp_path / "backbones/mine.py")
    monkeypatch.chdir(tmp_path)
    below = code_fingerprint._shipped_path
    monkeypatch.setattr(code_fingerprint, "_shipped_path", lambda file: below(file) or f"backbones/{file.name}")
    assert code_fingerprint.is_of_the_move(TAGS, replace(CLASSIFICATION, backbone="mine"))


def test_the_package_keeps_a_record_of_the_code_of_the_move() -> None:
    recorded = json.loads(code_fingerprint.RECORD.read_text(encoding="utf-8"))
    assert {"run/train.py", "nn/distributed.py", "backbones/conv3_fc2.py", "benchmarks/_pair.py"} <= recorded.keys()


def test_it_is_said_that_a_checkpoint_of_the_old_scheme_is_not_taken_up(tmp_path: Path) -> None:
    workspace, console = Workspace("", str(tmp_path), ""), Console(file=io.StringIO(), width=80)
    state = State((), (), (), (CLASSIFICATION,), old_checkpoints=(CLASSIFICATION,))
    print_notes(notes_on_old_scheme(state, workspace), console)
    assert console.file.getvalue() == ""  # type: ignore[attr-defined]
    checkpoint.save(workspace.checkpoint(CLASSIFICATION.id), {"run_id": CLASSIFICATION.id})
    print_notes(notes_on_old_scheme(state, workspace), console)
    said = "note: 1 unfinished run starts again at the first epoch"
    assert console.file.getvalue().startswith(said)  # type: ignore[attr-defined]
