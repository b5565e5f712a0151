"""What signals do to a sweep, by what it is doing."""

import signal
import threading
import time

import pytest

from dta_bench.errors import Interrupted
from dta_bench.sweep import phases
from dta_bench.sweep.on_ray.launch import Interrupt, _interruptible


def test_ctrl_c_ends_a_sweep_at_once_while_no_run_trains() -> None:
    with _interruptible(Interrupt(running=True, training=False)), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_while_a_run_trains_the_first_signal_lets_it_save_and_the_second_does_not(number: int) -> None:
    interrupt = Interrupt(running=True, training=True)
    with _interruptible(interrupt):
        for saves in (True, False):
            with pytest.raises(KeyboardInterrupt):  # Tune is left at once, so that it starts no further run
                signal.raise_signal(number)
            assert interrupt.saving == saves
    assert interrupt.seconds is None  # a step may take as long as it takes


def test_before_ray_is_there_a_signal_is_answered_and_ends_the_sweep(capsys: pytest.CaptureFixture[str]) -> None:
    phases._said_at[0] = -10.0
    with _interruptible(Interrupt()), pytest.raises(Interrupted):
        signal.raise_signal(signal.SIGINT)
    assert capsys.readouterr().err.startswith("stopping;")


@pytest.mark.parametrize("training", [True, False])
def test_a_dead_ray_ends_the_sweep_with_its_sentence_even_while_a_run_trains(training: bool) -> None:
    interrupt = Interrupt(running=True, training=training)
    watch = threading.Timer(0.2, interrupt.ray_has_died, ["Ray's head does not answer any more"])
    watch.start()
    with _interruptible(interrupt), pytest.raises(KeyboardInterrupt):
        time.sleep(60)
    watch.join()
    assert interrupt.lost == "Ray's head does not answer any more"
    assert not interrupt.saving
