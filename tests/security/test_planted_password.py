"""A password in the tracking URI is nowhere in what the commands leave behind or print."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import dta_bench, refusal
from local_server import mlflow_server

MARKER = "PLANTEDpw93"
SMALL = ("fonts_digits", "--epochs", "1")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A real MLflow server: its folder, and its URL with a user and the planted password."""
    folder = tmp_path_factory.mktemp("server")
    with mlflow_server(folder) as url:
        yield folder, url.replace("http://", f"http://user:{MARKER}@")


def planted(folder: Path) -> list[str]:
    """The files of a folder that hold the password."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    assert files
    return [str(path) for path in files if MARKER.encode() in path.read_bytes()]


@pytest.mark.slow
def test_train_sweep_and_report_leave_no_password(server: tuple[Path, str], tmp_path: Path) -> None:
    folder, uri = server
    there = ("--tracking-uri", uri)
    for line in (
        ("train", *SMALL, "--method", "source_only", *there),
        ("sweep", *SMALL, "--methods", "source_only", "--seeds", "1", "--confirm", "0", "--parallel", "1", *there),
        ("report", "fonts_digits", *there),
        ("report", "fonts_digits", "--json", *there),
    ):
        done = dta_bench(*line, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert MARKER not in done.stdout + done.stderr
    assert planted(tmp_path) == []
    assert planted(folder) == []
    assert any(b"***@127.0.0.1" in path.read_bytes() for path in folder.glob("mlflow.db*"))  # the command is kept


@pytest.mark.parametrize("uri", [f"http://user:{MARKER}@127.0.0.1:9", f"nonsense://user:{MARKER}@host/x"])
@pytest.mark.parametrize("command", ["train", "report"])
def test_a_store_out_of_reach_is_named_without_its_password(command: str, uri: str, tmp_path: Path) -> None:
    method = " --method source_only --epochs 1" if command == "train" else ""
    said = refusal(f"{command} fonts_digits{method} --out {tmp_path} --tracking-uri {uri}")
    assert MARKER not in said
    assert "://***@" in said


def test_an_unexpected_error_is_printed_without_its_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from dta_bench import cli

    def fail() -> None:
        raise ConnectionError(f"no way to http://user:{MARKER}@host/")

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    printed = capsys.readouterr().err
    assert MARKER not in printed
    assert "ConnectionError: no way to http://***@host/" in printed
