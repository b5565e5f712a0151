"""A sweep on a cluster whose machines come and go: Ray's own autoscaler, with machines that are raylets on one host."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from fault_notes import Note
from netns_autoscaler import HEAD, Elastic
from netns_cluster import wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3600)]


def test_all_machines_that_a_sweep_can_use_are_asked_for_at_once(elastic: Elastic) -> None:
    sweep = elastic.sweep("at_once", "--cpus-per-run 2", rate=0.00201, seeds=3)
    assert sweep.ended() == 0, sweep.said()
    assert elastic.asked() == [3]
    assert "3 done" in elastic.dry_run("at_once")
    elastic.wait_until_no_machine_is_left()


def test_waiting_for_nodes_asks_for_the_nodes_that_it_waits_for(elastic: Elastic) -> None:
    before = elastic.asked()
    sweep = elastic.sweep("nodes", "--nodes 2", rate=0.00202, seeds=1)
    sweep.wait_for("waiting for worker nodes: 0 of 2 are here")
    assert sweep.ended() == 0, sweep.said()
    assert elastic.asked() == [*before, 2]


def test_what_a_killed_sweep_asked_for_is_forgotten(elastic: Elastic, note: Note) -> None:
    elastic.wait_until_no_machine_is_left()
    sweep = elastic.sweep("killed", "--cpus-per-run 2", rate=0.00203, seeds=1, epochs=500)
    wait_until(lambda: elastic.machines() == 1)
    sweep.signal(signal.SIGKILL)
    elastic.wait_until_no_machine_is_left()
    note("kill -9 of a sweep that has asked for machines", "they ended once they were idle, and no new one came")


def test_a_run_on_two_devices_waits_for_its_machines(elastic: Elastic) -> None:
    sweep = elastic.sweep("replicas", "--cpus-per-run 2", rate=0.00204, seeds=1, devices=2)
    assert sweep.ended() == 0, sweep.said()
    elastic.wait_until_no_machine_is_left()


@contextmanager
def no_data(elastic: Elastic) -> Iterator[None]:
    """Within the block the data are away; who has loaded them does not notice."""
    file = elastic.shared / "data" / "few_digits.npz"
    away = file.rename(file.with_suffix(".away"))
    try:
        yield
    finally:
        if away.exists():
            away.rename(file)


def test_a_machine_that_joins_unfit_is_set_aside_by_name_and_costs_no_run_a_retry(elastic: Elastic, note: Note) -> None:
    sweep = elastic.sweep("unfit", "--cpus-per-run 2", rate=0.00205, seeds=1)
    sweep.wait_for("0 done, 1 to do")
    wait_until(lambda: sum(elastic.asked()) > 0 and elastic.machines() > 0)
    with no_data(elastic):
        sweep.wait_for("a machine is set aside, and nothing is trained on it: head does not have the data")
    assert sweep.ended() == 0, sweep.said()
    note("a machine that joins late, without the data", "set aside by name; the run trained on the next one")


@contextmanager
def refusing(elastic: Elastic) -> Iterator[None]:
    """Within the block the cloud gives no machine."""
    elastic.wait_until_no_machine_is_left()
    refuses = elastic.cloud / "refuses"
    refuses.write_text("you have requested more vCPU capacity than your limit of 0")
    try:
        yield
    finally:
        refuses.unlink()


NO_PLACE = "no run has started yet: each asks for 2 CPUs, and the cluster has 0 CPUs; its autoscaler is asked for"


def test_why_no_machine_comes_is_told_within_half_a_minute_and_ctrl_c_ends_the_wait(
    elastic: Elastic, note: Note
) -> None:
    with refusing(elastic):
        sweep = elastic.sweep("refused", "--cpus-per-run 2", rate=0.00206, seeds=1)
        sweep.wait_for(NO_PLACE)
        sweep.wait_for("than your limit of 0")
        sweep.signal(signal.SIGINT)
        assert sweep.ended(60) == 130
    note("a cloud that refuses every machine", "told with the cloud's reason; Ctrl-C ended the wait")


def test_a_head_that_dies_is_one_sentence_and_a_status(elastic: Elastic, note: Note) -> None:
    with refusing(elastic):
        sweep = elastic.sweep("headless", "--cpus-per-run 2", rate=0.00207, seeds=1)
        sweep.wait_for(NO_PLACE)
        for process in elastic.head.processes("gcs/gcs_server"):
            process.kill()
        died = time.monotonic()
        assert sweep.ended(100) == 2
        took = time.monotonic() - died
    last = sweep.said().strip().splitlines()[-1]
    assert last.startswith(f"dta-bench: Ray's head at {HEAD}:6379 does not answer any more (its GCS has died)")
    assert "Traceback" not in sweep.said()
    note("kill -9 of the head's GCS", f"one sentence and status 2 after {took:.0f} s")
