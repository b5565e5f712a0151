"""Nodes that join during a sweep, with a Ray that is made up."""

import io
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from dta_bench.sweep.on_ray import late_nodes, node_check, node_verdict
from dta_bench.sweep.on_ray.late_nodes import IN_VAIN, LateNodes
from dta_bench.sweep.on_ray.node_check import NodeReport


class MadeUp:
    """A cluster: its nodes with what each finds when it checks itself, and what is decided about them."""

    def __init__(self) -> None:
        self.nodes, self.hosts = dict[str, tuple[str, ...]](), dict[str, str]()
        self.checked, self.drained = list[str](), list[str]()
        self.verdicts, self.unfinished = dict[str, str](), set[str]()
        self.shared_file = Path("/shared/sweep-1")
        self.printed = io.StringIO()

    def worker_nodes(self) -> list[dict[str, Any]]:
        return [{"NodeID": node, "NodeManagerHostname": f"host-{node}"} for node in self.nodes]

    def start(self, nodes: list[str]) -> dict[str, str]:
        self.checked += nodes
        return {node: node for node in nodes}

    def problems(self, reports: dict[str, NodeReport]) -> list[str]:
        return [f"{report.host} {problem}" for report in reports.values() for problem in report.problems]

    def report(self, node: str) -> NodeReport:
        return NodeReport(self.hosts.get(node, f"host-{node}"), self.nodes[node], "", time.time())

    def wait(self, nodes: list[str], timeout: int) -> tuple[list[str], list[str]]:
        assert timeout == 0
        return [node for node in nodes if node not in self.unfinished], []


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> MadeUp:
    import ray

    made_up = MadeUp()
    monkeypatch.setattr(node_check, "worker_nodes", made_up.worker_nodes)
    monkeypatch.setattr(ray, "wait", made_up.wait)
    monkeypatch.setattr(ray, "get", made_up.report)
    monkeypatch.setattr(late_nodes, "drain", lambda node, _: made_up.drained.append(node))
    monkeypatch.setattr(node_verdict, "write", lambda _, node, verdict: made_up.verdicts.update({node: verdict}))
    return made_up


def watch(cluster: MadeUp) -> LateNodes:
    check: Any = cluster
    return LateNodes(check, set(), Console(file=cluster.printed, width=1000))


def test_a_node_is_checked_once_and_its_workers_are_told(cluster: MadeUp) -> None:
    late = watch(cluster)
    cluster.nodes["a"] = ()
    for _ in range(3):
        late.look()
    assert cluster.checked == ["a"]
    assert cluster.verdicts == {"a": node_verdict.FIT}
    assert cluster.printed.getvalue() == ""


def test_nodes_that_were_there_before_are_not_checked_again(cluster: MadeUp) -> None:
    check: Any = cluster
    cluster.nodes["a"] = ()
    LateNodes(check, {"a"}, Console(file=cluster.printed)).look()
    assert cluster.checked == []


def test_an_unfit_node_is_drained_and_named(cluster: MadeUp) -> None:
    late = watch(cluster)
    cluster.nodes |= {"a": (), "b": ("does not have the data",)}
    late.look()
    assert cluster.drained == ["b"]
    assert cluster.verdicts == {"a": node_verdict.FIT, "b": "host-b does not have the data"}
    assert "set aside, and nothing is trained on it: host-b does not have the data" in cluster.printed.getvalue()
    assert late.in_vain == ""


def test_workers_wait_while_a_node_looks_around(cluster: MadeUp) -> None:
    late = watch(cluster)
    cluster.nodes["a"], cluster.unfinished = (), {"a"}
    late.look()
    assert cluster.verdicts == {}
    cluster.unfinished.clear()
    late.look()
    assert cluster.verdicts == {"a": node_verdict.FIT}


def test_a_node_that_does_not_end_its_check_is_set_aside(cluster: MadeUp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_check, "CHECK_SECONDS", -1.0)
    late = watch(cluster)
    cluster.nodes["a"], cluster.unfinished = (), {"a"}
    late.look()
    assert cluster.drained == ["a"]


def test_a_node_that_goes_while_it_looks_around_is_forgotten(cluster: MadeUp) -> None:
    late = watch(cluster)
    cluster.nodes["a"], cluster.unfinished = (), {"a"}
    late.look()
    del cluster.nodes["a"]
    late.look()
    assert cluster.verdicts == {}
    assert cluster.drained == []


def test_a_sweep_ends_when_all_machines_that_come_are_unfit(cluster: MadeUp) -> None:
    late = watch(cluster)
    for node in map(str, range(IN_VAIN)):
        assert late.in_vain == ""
        cluster.nodes = {node: ("does not have the data",)}
        late.look()
    assert late.in_vain.startswith("no machine that joined is fit for work; the last one: host-")


def test_it_goes_on_while_one_machine_is_fit(cluster: MadeUp) -> None:
    late = watch(cluster)
    cluster.nodes = {"good": ()} | {str(n): ("does not have the data",) for n in range(2 * IN_VAIN)}
    late.look()
    assert late.in_vain == ""


def test_the_same_machine_is_named_once_however_often_it_is_started_again(cluster: MadeUp) -> None:
    late = watch(cluster)
    for node in ("a", "b"):
        cluster.nodes = {node: ("does not have the data",)}
        cluster.hosts[node] = "worker2"
        late.look()
    assert cluster.printed.getvalue().count("worker2") == 1
