"""The user's commands on a real cluster: ``ray up`` over sshd, a sweep with work on every node, ``ray down``."""

import json
import subprocess

import pytest
from netns_cluster import FILE, MLFLOW, WORKERS, Cluster, wait_until
from netns_lab import CHECKOUT

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3600)]
SWEEP = "dta-bench sweep digits --epochs 1 --points 2 --seeds 1 --confirm 0 --cpus-per-run 2"


def test_the_filled_in_file_passes_its_check(cluster: Cluster) -> None:
    said = cluster.laptop.run(f"cd {CHECKOUT} && dta-bench check cluster {FILE}").stdout
    assert "0 fail" in said


def test_a_sweep_finds_cluster_and_tracker_by_itself_waits_for_the_nodes_and_works_on_every_one(
    cluster: Cluster,
) -> None:
    done = cluster.ray(f"exec {FILE} '{SWEEP} --json'")
    found = json.loads(done.stdout[done.stdout.index("{\n") : done.stdout.rindex("}") + 1])
    assert found["benchmark"] == "digits"
    assert found["runs"] == 3
    code = (
        f"from mlflow import MlflowClient; c = MlflowClient('{MLFLOW}');"
        "e = c.get_experiment_by_name('digits').experiment_id;"
        "print([r.data.tags['host'] for r in c.search_runs([e]) if 'run_id' in r.data.tags])"
    )
    hosts = eval(cluster.python(code).splitlines()[-1])
    assert len(hosts) == 3
    assert set(hosts) == set(WORKERS)


def test_a_second_ray_up_updates_the_cluster_and_leaves_the_one_mlflow_server_alone(cluster: Cluster) -> None:
    before = {process.pid for process in cluster.head.processes("mlflow server")}
    cluster.ray(f"up -y --no-restart {FILE}")
    assert "10.77.0.2:6379" in cluster.head.run(". ~/.dta-bench.sh; echo $RAY_ADDRESS").stdout
    assert {process.pid for process in cluster.head.processes("mlflow server")} == before


def test_a_job_is_submitted_from_outside_through_the_forwarded_port(cluster: Cluster) -> None:
    forward = "ssh -f -N -o StrictHostKeyChecking=no -o ExitOnForwardFailure=yes -L 8265:127.0.0.1:8265 10.77.0.2"
    done = cluster.laptop.run(
        f"{forward} < /dev/null > /dev/null 2>&1;"
        f" RAY_AUTH_MODE=token ray job submit --address http://127.0.0.1:8265 -- {SWEEP}"
    )
    assert "3 done, 0 to do" in done.stdout  # the sweep of the test before, known by its identity
    assert "succeeded" in done.stdout


def test_an_address_without_a_cluster_is_one_sentence(cluster: Cluster) -> None:
    done = cluster.laptop.run(
        "cd /tmp && dta-bench sweep digits --address 10.77.0.9:6379 --epochs 1 --points 1", check=False
    )
    assert done.returncode == 2
    assert "no Ray cluster answers at 10.77.0.9:6379" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_node_that_was_promised_and_does_not_come_is_told(cluster: Cluster) -> None:
    line = ". ~/.dta-bench.sh; dta-bench sweep digits --epochs 3 --nodes 5 --wait 0.05 --out /mnt/promised"
    done = cluster.head.run(line, check=False)
    assert done.returncode == 2
    assert "waiting for worker nodes: 2 of 5 are here" in done.stderr
    assert "2 of 5 worker nodes joined in 0.05 minutes" in done.stderr


def test_ray_down_ends_every_ray_of_the_cluster_and_leaves_mlflow(cluster: Cluster) -> None:
    cluster.ray(f"down -y {FILE}")
    hosts = [cluster.head, *(cluster.lab[name] for name in WORKERS)]
    rays = ("raylet", "gcs_server", "ray::", "ray/dashboard")
    wait_until(lambda: not any(host.processes(name) for host in hosts for name in rays), seconds=180)
    assert cluster.laptop.run(f"curl -s -m 20 {MLFLOW}/health").stdout == "OK"


def test_nothing_of_a_lab_is_left_behind(tmp_path_factory: pytest.TempPathFactory) -> None:
    import netns_lab

    if (reason := netns_lab.why_not()) is not None:
        pytest.skip(reason)

    def seen() -> tuple[set[str], set[str]]:
        links = subprocess.run(["ip", "-br", "link"], capture_output=True, text=True, check=True).stdout
        mounts = subprocess.run(["mount"], capture_output=True, text=True, check=True).stdout
        return set(links.splitlines()), set(mounts.splitlines())

    before = seen()
    with netns_lab.Lab(tmp_path_factory.mktemp("short") / "lab", ("one", "two")) as short:
        assert short["one"].run("ssh -o StrictHostKeyChecking=no 10.77.0.2 hostname").stdout == "two\n"
        sleeper = short["two"].start("sleep 1000")
        pids = [host.pid for host in short.hosts.values()]
    assert sleeper.wait(10) != 0
    assert seen() == before
    import psutil

    assert not any(psutil.pid_exists(pid) for pid in pids)
