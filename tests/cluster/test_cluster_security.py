"""The network claims of docs/security.md, each tried on a real cluster: what listens, and who gets in."""

import re

import pytest
from netns_cluster import WORKERS, Cluster, plan_of, wait_until
from netns_lab import CHECKOUT

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]

SCAN = """
import socket, sys
from concurrent.futures import ThreadPoolExecutor
def is_open(port):
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex((sys.argv[1], port)) == 0
with ThreadPoolExecutor(200) as pool:
    print([port for port, found in zip(range(1, 65536), pool.map(is_open, range(1, 65536))) if found])
"""


def open_ports(cluster: Cluster, host: str) -> set[int]:
    """The TCP ports of a host that another machine, which is no part of the cluster, can connect to."""
    (cluster.shared / "scan.py").write_text(SCAN)
    return set(eval(cluster.laptop.run(f"python3 /mnt/scan.py {cluster.lab[host].address}").stdout))


def listening(cluster: Cluster, host: str) -> dict[int, str]:
    """Every TCP port on which a process of the host listens, with what it listens on."""
    lines = cluster.lab[host].run("ss -ltnH").stdout.splitlines()
    found: dict[int, str] = {}
    for line in lines:
        address, _, port = line.split()[3].rpartition(":")
        found[int(port)] = f"{found.get(int(port), '')} {address}".strip()
    return found


def owner(cluster: Cluster, host: str, port: int) -> str:
    return cluster.lab[host].run(f"ss -ltnpH 'sport = :{port}'").stdout


def test_the_head_is_reached_only_where_the_table_says(cluster: Cluster) -> None:
    reached = open_ports(cluster, "head")
    assert {22, 5000, 6379, 10001} <= reached
    assert 8265 not in reached
    for port in reached - {22, 5000}:
        assert re.search("ray|gcs_server|python", owner(cluster, "head", port)), port  # Ray's, which ask for the token


def test_a_worker_shows_ssh_and_rays_own_ports_alone(cluster: Cluster) -> None:
    for port in open_ports(cluster, WORKERS[0]) - {22}:
        assert re.search("ray", owner(cluster, WORKERS[0], port)), port


def test_replicas_meet_at_the_private_addresses_of_their_nodes_alone(cluster: Cluster) -> None:
    plan_of(cluster, "meeting", 0.00120, 8, devices=2)
    driver = cluster.head.start(cluster.sweep("meeting"))
    wait_until(lambda: list((cluster.shared / "meeting" / "runs").glob("*.pt")), unless=driver)
    for host in (cluster.lab[name] for name in WORKERS):
        lines = [line for line in host.run("ss -ltnpH").stdout.splitlines() if "ray::RayTrainWo" in line]
        at = [line.split()[3].rpartition(":")[0] for line in lines]
        assert at.count("*") == 1  # Ray's own, which asks for the token
        assert {address for address in at if address != "*"} == {host.address}
    driver.communicate(timeout=300)
    assert driver.returncode == 0


def test_dashboard_and_forwarded_mlflow_listen_on_loopback(cluster: Cluster) -> None:
    found = listening(cluster, "head")
    assert found[8265] == "127.0.0.1"
    assert set(found[5000].split()) == {"10.77.0.2", "127.0.0.1"}


@pytest.mark.parametrize("token", [None, "0" * 64])
def test_ray_lets_nobody_in_without_the_token(cluster: Cluster, token: str | None) -> None:
    mode = f"RAY_AUTH_MODE=token RAY_AUTH_TOKEN={token}" if token else "RAY_AUTH_MODE=disabled"
    for line in (
        "ray status --address 10.77.0.2:6379",
        "python3 -c \"import ray; ray.init('ray://10.77.0.2:10001'); print(ray.cluster_resources())\"",
    ):
        done = cluster.laptop.run(f"{mode} timeout 100 {line}", check=False)
        assert done.returncode not in (0, 124), done.stdout
        assert "CPU" not in done.stdout


def test_ray_lets_its_user_in(cluster: Cluster) -> None:
    assert "CPU" in cluster.laptop.run("RAY_AUTH_MODE=token ray status --address 10.77.0.2:6379").stdout


def test_the_token_is_readable_by_its_user_alone(cluster: Cluster) -> None:
    for name in ("head", *WORKERS):
        assert cluster.lab[name].run("stat -c %a ~/.ray/auth_token").stdout == "600\n"


def test_mlflow_asks_for_no_password_but_refuses_a_host_that_it_does_not_know(cluster: Cluster) -> None:
    ask = "curl -s -o /dev/null -w '%{http_code}' http://10.77.0.2:5000/api/2.0/mlflow/experiments/get?experiment_id=0"
    assert cluster.laptop.run(ask).stdout == "200"
    assert cluster.laptop.run(f"{ask} -H 'Host: evil.example'").stdout == "403"


def test_mlflow_comes_back_when_all_of_it_is_killed(cluster: Cluster) -> None:
    servers = cluster.head.processes("mlflow server") + cluster.head.processes("mlflow.server")
    assert servers
    for server in servers:
        server.kill()
    ask = "curl -s -m 5 http://10.77.0.2:5000/health"
    wait_until(lambda: cluster.laptop.run(ask, check=False).stdout == "OK", seconds=200)
    assert not any(server.is_running() and server.status() != "zombie" for server in servers)


def test_the_page_names_every_fixed_port(cluster: Cluster) -> None:
    page = (CHECKOUT / "docs" / "security.md").read_text()
    fixed = {port for port in listening(cluster, "head") if port in (22, 5000, 6379, 8265, 10001)}
    assert all(f"| {port} |" in page for port in fixed)
