"""Faults on a real cluster: whatever dies, each run is trained once and has all its epochs.

``make faults`` writes what each test injected and saw to reports/faults.md.
"""

import contextlib
import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest
import torch
from fault_notes import Note
from netns_clock import JOIN, five_hours_ahead, join, no_autoscaler
from netns_cluster import WORKERS, Cluster, nothing_lost, plan_of, replicas, tracked, training, wait_until
from netns_lab import Host, title

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3600)]
EPOCHS = 8


@pytest.fixture(autouse=True)
def no_sweep_is_left(cluster: Cluster) -> Iterator[None]:
    """A test that fails leaves its sweep behind, which would hold the places of the next one's runs."""
    yield
    kill(cluster.head.processes("dta-bench sweep"))


def wait_for_checkpoint(cluster: Cluster, name: str, driver: subprocess.Popen[str]) -> None:
    """Wait until a run has saved an epoch and is training on."""
    wait_until(lambda: list((cluster.shared / name / "runs").glob("*.pt")), unless=driver)


def wait_for_success(driver: subprocess.Popen[str]) -> str:
    """Wait for a sweep that must succeed; what it printed on stderr."""
    stdout, stderr = driver.communicate(timeout=900)
    assert driver.returncode == 0, stderr
    assert json.loads(stdout)["runs"] == 2
    assert "Traceback" not in stderr
    return stderr


def refusal_of(cluster: Cluster, line: str) -> str:
    """Run a sweep that must be refused in one sentence, and return that sentence."""
    done = cluster.head.run(line, check=False, timeout=900)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr.strip().splitlines()[-1]


def training_host(cluster: Cluster) -> Host:
    """A worker host on which a run is trained."""
    return next(cluster.lab[name] for name in WORKERS if training(cluster.lab[name]))


def kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue


def saved_within_an_epoch(cluster: Cluster, name: str) -> bool:
    """Whether a checkpoint is of the middle of an epoch, where only a run that has to stop saves one."""
    for file in (cluster.shared / name / "runs").glob("*.pt"):
        with contextlib.suppress(FileNotFoundError):  # it is being replaced
            if torch.load(file, weights_only=True)["step"] > 0:
                return True
    return False


def wait_for_both_nodes(cluster: Cluster) -> None:
    wait_until(lambda: set(WORKERS) <= cluster.nodes())


def test_a_killed_run_goes_on_from_its_checkpoint(cluster: Cluster, note: Note) -> None:
    wanted = plan_of(cluster, "killed_run", 0.00101, EPOCHS)
    driver = cluster.head.start(cluster.sweep("killed_run"))
    wait_for_checkpoint(cluster, "killed_run", driver)
    kill(training(training_host(cluster))[:1])
    wait_for_success(driver)
    nothing_lost(cluster, wanted, EPOCHS)
    note("kill -9 of a run's process", "started again from its checkpoint by itself")


def test_a_killed_node_loses_no_run_and_is_brought_back(cluster: Cluster, note: Note) -> None:
    wanted = plan_of(cluster, "killed_node", 0.00102, EPOCHS)
    driver = cluster.head.start(cluster.sweep("killed_node"))
    wait_for_checkpoint(cluster, "killed_node", driver)
    host = training_host(cluster)
    kill([p for p in host.processes("") if "sshd" not in title(p) and "sleep" not in title(p)])
    wait_for_success(driver)
    runs = nothing_lost(cluster, wanted, EPOCHS)
    assert {run.host for run in runs} <= set(WORKERS)
    wait_for_both_nodes(cluster)
    note("kill -9 of all of a worker node's processes", "its run went on; Ray's autoscaler started the node again")


def test_a_killed_driver_is_taken_up_by_the_same_command(cluster: Cluster, note: Note) -> None:
    wanted = plan_of(cluster, "killed_driver", 0.00103, EPOCHS)
    driver = cluster.head.start(cluster.sweep("killed_driver"))
    wait_for_checkpoint(cluster, "killed_driver", driver)
    kill(cluster.head.processes("dta-bench sweep"))
    driver.communicate(timeout=60)
    saved = {run.run_id: run.epochs for run in tracked(cluster, wanted)}
    waiting = list((cluster.shared / "killed_driver" / "runs").glob("*.metrics.jsonl"))
    assert waiting or any(saved.values())  # the epochs are with the server, or on their way
    wait_for_success(cluster.head.start(cluster.sweep("killed_driver")))
    runs = nothing_lost(cluster, wanted, EPOCHS)
    for run in runs:
        assert set(saved.get(run.run_id, ())) <= set(run.epochs)  # the same losses: these epochs were not trained again
    note("kill -9 of the sweep itself, on the head", "the same command went on from the checkpoints")


def test_an_mlflow_server_that_is_down_for_a_minute_gets_every_epoch(cluster: Cluster, note: Note) -> None:
    wanted = plan_of(cluster, "no_mlflow", 0.00104, EPOCHS)
    driver = cluster.head.start(cluster.sweep("no_mlflow"))
    wait_for_checkpoint(cluster, "no_mlflow", driver)
    with mlflow_down(cluster, seconds=60):
        spools = lambda: list((cluster.shared / "no_mlflow" / "runs").glob("*.metrics.jsonl"))  # noqa: E731
        assert wait_until(spools, unless=driver)
    wait_for_success(driver)
    nothing_lost(cluster, wanted, EPOCHS)
    assert not list((cluster.shared / "no_mlflow" / "runs").glob("*.metrics.jsonl"))
    note("kill -9 of the MLflow server, kept down for 60 s", "training went on; metrics waited on disk and arrived")


@contextmanager
def mlflow_down(cluster: Cluster, seconds: float) -> Iterator[None]:
    """Within the block the server is dead, and the script that would start it again is stopped."""
    keepers = [p for p in cluster.head.processes("node.sh mlflow") if title(p).endswith("node.sh mlflow")]
    assert keepers
    for keeper in keepers:
        keeper.send_signal(signal.SIGSTOP)
    until = time.monotonic() + seconds
    kill(cluster.head.processes("mlflow.server") + cluster.head.processes("mlflow server"))
    try:
        yield
        time.sleep(max(0.0, until - time.monotonic()))
    finally:
        for keeper in keepers:
            keeper.send_signal(signal.SIGCONT)


METADATA = """
from http.server import BaseHTTPRequestHandler, HTTPServer
class Metadata(BaseHTTPRequestHandler):
    def answer(self):
        known = self.path in ("/latest/api/token", "/latest/meta-data/spot/instance-action")
        self.send_response(200 if known else 404)
        self.end_headers()
        self.wfile.write(b"token")
    do_GET = do_PUT = answer
HTTPServer(("169.254.169.254", 80), Metadata).serve_forever()
"""


@contextmanager
def end_announced(cluster: Cluster, host: Host) -> Iterator[None]:
    """Within the block ``host`` answers as AWS does on a machine that it will take away in two minutes.

    Afterwards it does not, whatever happened: every Ray that is started there would be drained at once.
    """
    (cluster.shared / "metadata.py").write_text(METADATA)
    host.run("ip addr add 169.254.169.254/32 dev lo")
    server = host.start("exec python3 /mnt/metadata.py")
    try:
        yield
    finally:
        server.kill()
        host.run("pkill -f '[m]etadata.py'; ip addr del 169.254.169.254/32 dev lo")


def test_a_run_that_is_told_to_end_saves_first(cluster: Cluster, note: Note) -> None:
    wanted = plan_of(cluster, "sigterm", 0.00112, EPOCHS)
    driver = cluster.head.start(cluster.sweep("sigterm"))
    wait_for_checkpoint(cluster, "sigterm", driver)
    (run, *_) = training(training_host(cluster))
    run.terminate()
    wait_until(lambda: saved_within_an_epoch(cluster, "sigterm"), seconds=100)  # its next start soon overwrites it
    wait_until(lambda: has_ended(run), seconds=100)
    wait_for_success(driver)
    nothing_lost(cluster, wanted, EPOCHS)
    note("SIGTERM to a run's process", "it saved after its step, ended, and was started again from there")


@contextmanager
def comes_back(cluster: Cluster, host: Host) -> Iterator[None]:
    """After the block, whatever happened in it, ``host`` is a machine of the cluster again."""
    try:
        yield
    finally:
        host.run(f". ~/.dta-bench.sh; ray stop; {JOIN}; ~/dta-bench/cluster/node.sh worker")
        wait_for_both_nodes(cluster)


def has_ended(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_a_node_that_will_be_taken_away_saves_and_its_run_goes_on_elsewhere(cluster: Cluster, note: Note) -> None:
    wanted = plan_of(cluster, "notice", 0.00105, EPOCHS)
    driver = cluster.head.start(cluster.sweep("notice"))
    wait_for_checkpoint(cluster, "notice", driver)
    host = training_host(cluster)
    processes, given = training(host), time.monotonic()
    with comes_back(cluster, host):
        with end_announced(cluster, host):
            wait_until(lambda: saved_within_an_epoch(cluster, "notice"), seconds=110)
            wait_until(lambda: all(map(has_ended, processes)), seconds=110)
            took = time.monotonic() - given
        wait_for_success(driver)
        nothing_lost(cluster, wanted, EPOCHS)
    note(
        "AWS's notice that a spot machine will go", f"SIGTERM, checkpoint and exit within {took:.0f} s of 120; went on"
    )


def test_a_killed_replica_takes_its_run_back_to_its_checkpoint(cluster: Cluster, note: Note) -> None:
    wanted = plan_of(cluster, "killed_replica", 0.00113, EPOCHS, devices=2)
    driver = cluster.head.start(cluster.sweep("killed_replica"))
    wait_for_checkpoint(cluster, "killed_replica", driver)
    _, second = (replicas(cluster.lab[name]) for name in WORKERS)  # one on each node
    assert len(second) == 1
    kill(second)
    wait_for_success(driver)
    nothing_lost(cluster, wanted, EPOCHS)
    note("kill -9 of one of a run's two replicas", "both were started again from the run's checkpoint")


def test_a_node_with_replicas_that_will_be_taken_away_saves_their_run_which_goes_on_elsewhere(
    cluster: Cluster, note: Note
) -> None:
    wanted = plan_of(cluster, "notice_replicas", 0.00114, EPOCHS, devices=2)
    driver = cluster.head.start(cluster.sweep("notice_replicas", "--cpus-per-run 1"))
    wait_for_checkpoint(cluster, "notice_replicas", driver)
    host = next(cluster.lab[name] for name in WORKERS if replicas(cluster.lab[name]))
    processes, given = replicas(host), time.monotonic()
    assert len(processes) == 2
    with comes_back(cluster, host):
        leaving = host.start("~/dta-bench/cluster/node.sh leave 110")
        wait_until(lambda: saved_within_an_epoch(cluster, "notice_replicas"), seconds=100)
        took = time.monotonic() - given
        leaving.communicate(timeout=100)
        wait_for_success(driver)
        nothing_lost(cluster, wanted, EPOCHS)
    note(
        "a node with both of a run's replicas is taken out", f"checkpoint within {took:.0f} s of 110; went on elsewhere"
    )


def test_storage_that_a_node_does_not_share_is_one_sentence_before_the_first_run(cluster: Cluster, note: Note) -> None:
    wanted = plan_of(cluster, "not_shared", 0.00106, EPOCHS)
    host = cluster.lab[WORKERS[1]]
    host.run("mkdir -p /mnt/not_shared; mount -t tmpfs own /mnt/not_shared")
    message = refusal_of(cluster, cluster.sweep("not_shared"))
    host.run("umount /mnt/not_shared")
    assert message.startswith(
        "dta-bench: not every node is fit for work: worker2 does not see /mnt/not_shared/runs/sweep-"
    )
    assert "--out must be storage that all nodes share" in message
    assert "worker1" not in message
    assert tracked(cluster, wanted) == []
    wait_for_success(cluster.head.start(cluster.sweep("not_shared", "--epochs", "1")))
    note("a node whose --out is a disk of its own", f"refused before the first run: {message.partition(': ')[2][:60]}…")


def test_a_node_without_the_data_is_one_sentence_before_the_first_run(cluster: Cluster, note: Note) -> None:
    wanted = plan_of(cluster, "no_data", 0.00107, EPOCHS)
    host = cluster.lab[WORKERS[0]]
    host.run("mount -t tmpfs own /mnt/data")
    message = refusal_of(cluster, cluster.sweep("no_data"))
    host.run("umount /mnt/data")
    assert "worker1 does not have the data: /mnt/data/few_digits.npz is missing" in message
    assert "worker2" not in message
    assert tracked(cluster, wanted) == []
    note("a node without the data", f"refused before the first run: {message.partition(': ')[2][:60]}…")


def test_a_node_whose_clock_is_off_is_told_and_harms_no_run(cluster: Cluster, note: Note) -> None:
    wanted = plan_of(cluster, "clock", 0.00108, 3)
    ahead = five_hours_ahead(cluster)
    off, right = (cluster.lab[name] for name in WORKERS)
    with no_autoscaler(cluster):
        # One core a run and a node: with two a process reads ahead, and libfaketime may leave a forked process waiting.
        join(off, ahead, cpus=1)
        join(right, cpus=1)
        wait_for_both_nodes(cluster)
        message = wait_for_success(cluster.head.start(cluster.sweep("clock", "--cpus-per-run 1")))
        join(off)
        join(right)
        wait_for_both_nodes(cluster)
    assert "note: the clock of worker1 is +" in message
    runs = nothing_lost(cluster, wanted, 3)
    assert {run.host for run in runs} == set(WORKERS)
    note("a node whose clock is 5 h ahead", "a note before the first run; epochs in order, because they go by step")


def test_a_full_disk_is_told_and_once_there_is_room_the_same_command_goes_on(cluster: Cluster, note: Note) -> None:
    wanted = plan_of(cluster, "full_disk", 0.00109, 3)
    line = cluster.sweep("full_disk", out="/mnt/small/full_disk")
    cluster.head.run("mkdir -p /mnt/small/full_disk/runs; head -c 47m /dev/zero > /mnt/small/filler")
    message = refusal_of(cluster, line)
    assert "cannot write the checkpoint /mnt/small/full_disk/runs/" in message
    assert "No space left on device" in message
    cluster.head.run("rm /mnt/small/filler")
    wait_for_success(cluster.head.start(line))
    nothing_lost(cluster, wanted, 3)
    note(
        "a full disk at every checkpoint",
        "both runs failed with that sentence; with room, the same command finished them",
    )


def test_a_torn_checkpoint_falls_back_to_the_one_before(cluster: Cluster, note: Note) -> None:
    wanted = plan_of(cluster, "torn", 0.00110, EPOCHS)
    driver = cluster.head.start(cluster.sweep("torn"))
    runs = cluster.shared / "torn" / "runs"
    wait_until(lambda: list(runs.glob("*.previous")), unless=driver)
    kill(cluster.head.processes("dta-bench sweep"))
    driver.communicate(timeout=60)
    wait_until(lambda: not any(training(cluster.lab[name]) for name in WORKERS))
    newest = list(runs.glob("*.pt"))
    assert newest
    for checkpoint in newest:
        checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    wait_for_success(cluster.head.start(cluster.sweep("torn")))
    nothing_lost(cluster, wanted, EPOCHS)
    note("checkpoints cut after 1,000 bytes, the driver killed", "the run went on from the checkpoint before")


def test_the_same_sweep_started_twice_at_once_from_two_machines_is_refused(cluster: Cluster, note: Note) -> None:
    wanted = plan_of(cluster, "twice", 0.00111, 3)
    line = cluster.sweep("twice")
    first = cluster.head.start(line)
    wait_until(lambda: (cluster.shared / "twice" / "runs" / "sweep.lock").exists(), unless=first)
    second = cluster.lab[WORKERS[1]].run(f"export MLFLOW_TRACKING_URI=http://10.77.0.2:5000; {line}", check=False)
    assert second.returncode == 2
    assert "another sweep is running in /mnt/twice" in second.stderr
    wait_for_success(first)
    nothing_lost(cluster, wanted, 3)
    note("the same sweep on head and worker at once", "the second is refused with one sentence; the first finished")
