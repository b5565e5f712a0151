"""A sweep says what it is doing at once and again until it is done, and answers Ctrl-C at once."""

import io
import signal
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
    before = signal.getsignal(number)
    with pytest.raises(Interrupted), acknowledged_interrupts():
        signal.raise_signal(number)
    assert capsys.readouterr().err == "stopping; finished runs are kept, the same command goes on\n"
    assert signal.getsignal(number) == before


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
