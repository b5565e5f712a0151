"""The script that measures fingerprints of contents: it goes on where it was interrupted, and its digests are kept."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "reports" / "contents.py"


@pytest.mark.slow  # it waits for files to settle
def test_an_interrupted_call_goes_on_with_the_files_that_are_there(tmp_path: Path) -> None:
    whole, cut = tmp_path / "files/0/000000.png", tmp_path / "files/0/000001.png"
    whole.parent.mkdir(parents=True)
    whole.write_bytes(b"x" * 10)
    cut.write_bytes(b"x" * 4)
    command = [sys.executable, SCRIPT, "3", "10", tmp_path]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    result = json.loads(printed)
    assert (result["files"], result["bytes_each"]) == (3, 10)
    assert result["kept_digests_mib"] >= 0
    assert whole.read_bytes() == b"x" * 10
    assert [len(path.read_bytes()) for path in sorted(whole.parent.iterdir())] == [10, 10, 10]
