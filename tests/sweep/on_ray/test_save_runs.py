"""Runs that are asked to save and end, before a batch system ends them."""

import os
import signal
import subprocess
import sys

import psutil
import pytest
from real_sweeps import wait_until

from dta_bench.sweep.on_ray.launch import Interrupt, _interruptible
from dta_bench.sweep.on_ray.save_runs import SAVE_SECONDS, end_all, runs_of_job

SAVES = """
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: (print("saved"), sys.exit()))
print("ready", flush=True)
signal.pause()
"""
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); signal.pause()"


def started(code: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout
    assert process.stdout.readline() == b"ready\n"
    return process


def test_each_gets_the_chance_to_save_and_those_that_have_ended_are_counted() -> None:
    saving, deaf = started(SAVES), started(DEAF)
    assert end_all([psutil.Process(saving.pid), psutil.Process(deaf.pid)], seconds=1) == 1
    assert deaf.poll() is None
    deaf.kill()
    deaf.wait()
    assert saving.communicate()[0] == b"saved\n"


def test_runs_of_another_sweep_on_the_same_cluster_go_on() -> None:
    train = "ray::TrainRun.train"
    mine, other, no_run = (
        subprocess.Popen(["bash", "-c", f"exec -a {title} sleep 60"], env={**os.environ, "RAY_JOB_ID": job})
        for title, job in ((train, "02000000"), (train, "01000000"), ("ray::f", "02000000"))
    )
    processes = [psutil.Process(one.pid) for one in (mine, other, no_run)]
    wait_until(lambda: all(" ".join(process.cmdline()).startswith("ray::") for process in processes), pause=0.01)
    assert runs_of_job(processes, "02000000") == [processes[0]]
    for one in (mine, other, no_run):
        one.kill()
        one.wait()


def test_one_that_is_gone_already_does_no_harm() -> None:
    gone = started(SAVES)
    process = psutil.Process(gone.pid)
    gone.kill()
    gone.wait()
    assert end_all([process], seconds=1) == 1


def test_without_a_limit_a_run_may_take_as_long_as_it_takes_to_save() -> None:
    slow = started(SAVES.replace("sys.exit()", "__import__('time').sleep(1), sys.exit()"))
    assert end_all([psutil.Process(slow.pid)], seconds=None) == 1
    slow.communicate()


def test_usr2_leaves_tune_at_once_and_only_once() -> None:
    before, interrupt = signal.getsignal(signal.SIGUSR2), Interrupt(running=True)
    with _interruptible(interrupt):
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGUSR2)
        signal.raise_signal(signal.SIGUSR2)  # while runs save
    assert (interrupt.saving, interrupt.seconds) == (True, SAVE_SECONDS)
    assert signal.getsignal(signal.SIGUSR2) is before
