"""The table of waits names each bar as met or not, and its drawn stores are stores that tracking reads."""

import sys
from pathlib import Path

import pytest
from documentation import ROOT

from dta_bench.tracking import Tracker

sys.path.insert(0, str(ROOT / "reports"))
import waits


def test_a_bar_is_met_or_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(waits, "cpu_seconds", lambda *_: 0.5)
    table = waits.Waits()
    table.row("a dry run", 1.5, 1.25)
    table.row("a check", 1.5, 2.0)
    assert capsys.readouterr().out.splitlines() == [
        "| a dry run | 1.25 | 2.50 | 1.5 | met |", "| a check | 2 | 4.00 | 1.5 | **not met** |",
    ]  # fmt: skip


def test_a_command_that_fails_is_no_measurement() -> None:
    with pytest.raises(SystemExit, match="ended with status 3"):
        waits.cpu_seconds([sys.executable, "-c", "raise SystemExit(3)"])


SAYS = """
import signal, sys, time
def answer(*_):
    print("stopping; finished runs are kept", file=sys.stderr, flush=True)
    raise SystemExit(1)
signal.signal(signal.SIGINT, answer)
while time.process_time() < 0.5:  # the system counts a process's CPU in clock ticks of 10 ms: many of them are used
    pass
print("planning ...", file=sys.stderr, flush=True)
time.sleep(60)
"""


def test_a_command_is_interrupted_once_it_has_said_something_and_its_answer_is_waited_for(tmp_path: Path) -> None:
    used, answered = waits.first_words([sys.executable, "-c", SAYS], tmp_path)
    assert used > 0
    assert 0 <= answered < 60


def test_a_command_that_says_nothing_is_no_measurement(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="ended without saying 'Ray'"):
        waits.first_words([sys.executable, "-c", "import sys; print('no', file=sys.stderr)"], tmp_path, "Ray")


@pytest.mark.slow
def test_every_run_of_a_drawn_store_is_finished_for_tracking(tmp_path: Path) -> None:
    count = waits.write_store(tmp_path, "fonts_digits", 2)
    runs = Tracker(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path).runs("fonts_digits")
    assert [run.status for run in runs] == ["FINISHED"] * count
    assert len({run.run_id for run in runs}) == count
