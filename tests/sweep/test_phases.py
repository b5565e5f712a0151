"""A sweep says what it is doing at once and again until it is done, and answers Ctrl-C at once."""

import io
import signal
import subprocess
import sys
import threading

import pytest
from rich.console import Console

from dta_bench.errors import Interrupted
from dta_bench.sweep import phases
from dta_bench.sweep.phases import Phases, Repeating, acknowledged_interrupts
from dta_bench.sweep.progress_view import ProgressView


def test_a_phase_is_said_when_it_begins_and_said_again_while_it_lasts() -> None:
    said = io.StringIO()
    with Phases(Console(file=said)) as told:
        told.begin("starting Ray")
        told.say_again()
    assert said.getvalue() == "starting Ray ...\nstarting Ray, 0 s so far ...\n"


def test_after_its_end_nothing_is_said() -> None:
    said = io.StringIO()
    with Phases(Console(file=said)) as told:
        told.begin("planning")
    told.say_again()
    assert said.getvalue() == "planning ...\n"


def test_it_is_said_again_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phases, "EVERY", 0.01)
    twice = threading.Event()
    times = iter([lambda: None, twice.set, *[lambda: None] * 10_000])
    again = Repeating(lambda: next(times)(), lambda: phases.EVERY)
    again.start()
    assert twice.wait(60)
    again.stop()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_answered_at_once_and_ends_the_command(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    phases._said_at[0] = -10.0
    before = signal.getsignal(number)
    with pytest.raises(Interrupted), acknowledged_interrupts():
        signal.raise_signal(number)
    assert capsys.readouterr().err == "stopping; finished runs are kept, the same command goes on\n"
    assert signal.getsignal(number) == before


def test_a_thread_of_its_own_answers_and_the_third_signal_ends_the_process() -> None:
    """The main thread waits in C for a lock that it holds itself, and no handler of Python runs."""
    code = """
import ctypes, os, signal, threading, time
from dta_bench.sweep.phases import acknowledged_interrupts

def send_three_signals():
    for _ in range(3):
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGINT)

lock = ctypes.create_string_buffer(64)
with acknowledged_interrupts():
    threading.Thread(target=send_three_signals, daemon=True).start()
    for _ in range(2):
        ctypes.CDLL(None).pthread_mutex_lock(lock)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.stderr.startswith("stopping; finished runs are kept, the same command goes on\n")
    assert done.returncode == 130


def view(said: io.StringIO) -> ProgressView:
    return ProgressView(Console(file=said, width=200), total_runs=12, epochs=10)


def test_before_the_first_epoch_it_is_said_what_each_worker_does() -> None:
    said = io.StringIO()
    shown = view(said)
    with shown:
        shown.runs_begin(lambda: {"dta seed=0": "importing", "dta seed=1": "epoch 1, 520 images/s"})
        shown.say_what_runs()
    assert (
        said.getvalue() == "runs 1 to 2 of 12, 0:00 so far: dta seed=0: importing; dta seed=1: epoch 1, 520 images/s\n"
    )


def test_while_no_worker_says_anything_one_is_starting() -> None:
    said = io.StringIO()
    view(said).say_what_runs()
    assert said.getvalue() == "run 1 of 12, 0:00 so far: a worker starts\n"


def test_no_time_that_is_left_is_told_before_two_runs_have_ended() -> None:
    shown = view(io.StringIO())
    for name in ("one", "two"):
        assert shown.seconds_left() is None
        shown.epoch_done(name, 1)
        shown.run_ended(name, "done", 50.0)
    assert shown.seconds_left() is not None


def test_after_ctrl_c_every_line_says_for_how_many_runs_the_sweep_waits() -> None:
    said, stopped = io.StringIO(), list[bool]()
    shown, doing = view(said), {"one": "epoch 1", "two": "epoch 1"}
    shown.runs_begin(lambda: doing, lambda: bool(stopped))
    shown.__exit__()
    stopped.append(True)
    shown.say_what_runs()
    del doing["one"]
    shown.say_what_runs()
    del doing["two"]
    shown.say_what_runs()
    waiting = [line.partition(" to save")[0] for line in said.getvalue().splitlines()]
    assert waiting[:2] == ["stopping: waiting for 2 runs", "stopping: waiting for 1 run"]
    assert waiting[2].startswith("stopping: all runs are saved, 0:0")


def test_what_runs_are_doing_is_said_soon_after_ctrl_c_though_it_was_said_just_before() -> None:
    said, stopped = io.StringIO(), list[bool]()
    shown = view(said)
    shown.runs_begin(dict, lambda: bool(stopped))
    shown.__exit__()
    shown.epoch_done("one", 1)
    shown.say_what_runs()
    shown._say_when_due()
    assert len(said.getvalue().splitlines()) == 1
    stopped.append(True)
    shown._say_when_due()
    assert said.getvalue().splitlines()[-1].startswith("stopping: waiting for 1 run to save")


def test_each_count_names_the_phase() -> None:
    said = io.StringIO()
    shown = ProgressView(Console(file=said, width=200), total_runs=36, epochs=1, phase="confirmation")
    shown.run_ended("dta seed=1000", "done", 50.0)
    shown.say_what_runs()
    assert said.getvalue().startswith("[confirmation 1/36] dta seed=1000  ")
    assert "confirmation, run 2 of 36, " in said.getvalue()


def test_runs_that_say_nothing_themselves_are_told_by_their_epochs() -> None:
    said = io.StringIO()
    shown = view(said)
    shown.epoch_done("dta seed=0", 3)
    shown.say_what_runs()
    assert said.getvalue().endswith(" so far: dta seed=0: 3 of 10 epochs done\n")
