"""What a sweep may ask of a cluster whose machines come and go, and when it tells that none has come."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster_files import SHIPPED, loaded
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from dta_bench.errors import UserError
from dta_bench.sweep.on_ray import demand, gpu_share, launch, node_check


@pytest.fixture
def bootstrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shipped file for AWS as it lies on a head whose workers are not there yet."""
    import ray

    path = tmp_path / "ray_bootstrap_config.yaml"
    path.write_text(yaml.safe_dump(loaded("cluster.yaml")))
    for reads_it in (demand.workers_of_file, demand.most_machines, demand.most_of_file):
        monkeypatch.setattr(reads_it, "__defaults__", (path,))
    monkeypatch.setattr(ray, "nodes", list)
    monkeypatch.setattr(demand, "autoscaler_says", lambda: "8 gpu are refused by the cloud")
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"memory": 1e9})
    return path


def test_the_file_says_what_all_its_workers_offer(bootstrap: Path) -> None:
    assert demand.most_of_file(bootstrap) == {"CPU": 64, "GPU": 8}


def test_the_clusters_own_limit_counts(bootstrap: Path) -> None:
    bootstrap.write_text(yaml.safe_dump(loaded("cluster.yaml") | {"max_workers": 3}))
    assert demand.most_of_file(bootstrap) == {"CPU": 24, "GPU": 3}


@pytest.mark.parametrize("text", [SHIPPED["cluster/machines.yaml"].read_text(), "[1]", "a: [", "provider: 3"])
def test_where_no_machines_come_and_go_nothing_is_promised(text: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text(text)
    assert demand.most_of_file(tmp_path / "file") == {}
    assert demand.most_of_file(tmp_path / "nowhere") == {}


@pytest.mark.usefixtures("bootstrap")
def test_runs_on_several_devices_start_though_no_worker_is_there_yet() -> None:
    assert launch.concurrent_runs({"CPU": 1.0, "GPU": 1.0}, devices=2, parallel=None) == 4


@pytest.mark.usefixtures("bootstrap")
def test_a_run_gets_a_gpu_though_no_worker_is_there_yet() -> None:
    plan: Any = type("Plan", (), {"training": type("T", (), {"devices": 1})})
    assert gpu_share.gpus_for(plan, None) == 1.0


@pytest.mark.usefixtures("bootstrap")
@pytest.mark.parametrize(("per_run", "says"), [
    ({"CPU": 1.0, "GPU": 1.0}, "its autoscaler is asked for machines: 8 gpu are refused by the cloud"),
    ({"CPU": 1.0, "GPU": 2.0}, "no machine of its file offers enough; give smaller --gpus-per-run"),
])  # fmt: skip
def test_waiting_is_told_with_what_is_asked_and_what_is_there(per_run: dict[str, float], says: str) -> None:
    told = demand.describe_waiting(per_run)
    assert says in told
    assert "each asks for 1 CPU and" in told
    assert "the cluster has 0 CPUs and 0 GPUs" in told


def test_without_a_file_no_machines_are_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 4.0})
    monkeypatch.setattr(ray, "nodes", lambda: [{"Alive": True, "Resources": {"CPU": 2.0}}] * 2)
    monkeypatch.setattr(demand, "workers_of_file", lambda: (0, {}))
    told = demand.describe_waiting({"CPU": 3.0, "GPU": 0.0})
    assert told.startswith("no run has started yet: each asks for 3 CPUs, and the cluster has 4 CPUs, no machine")
    assert "add machines to it, or give smaller --gpus-per-run or --cpus-per-run" in told


@pytest.mark.parametrize(
    ("devices", "amount", "fit"),
    [(1, 2.0, True), (1, 3.0, False), (2, 2.0, True), (4, 1.0, True), (5, 1.0, False), (2, 3.0, False)],
)
def test_devices_may_lie_on_several_machines_and_one_device_needs_one(devices: int, amount: float, fit: bool) -> None:
    assert demand.fits({"CPU": amount, "GPU": 0.0}, devices, [{"CPU": 2.0}, {"CPU": 2.0}]) == fit


def test_the_file_says_how_many_machines_there_can_be(bootstrap: Path) -> None:
    assert demand.most_machines(bootstrap) == 8
    assert demand.most_machines(bootstrap.with_name("nowhere")) is None


@pytest.mark.usefixtures("bootstrap")
def test_more_nodes_than_the_file_allows_are_not_waited_for() -> None:
    with pytest.raises(UserError, match="--nodes 9 is more than the 8 machines that the cluster file allows"):
        node_check.wait_for_nodes(9, 10, {"CPU": 1.0}, Console())


@given(st.floats(0.01, 4), st.floats(0.01, 1), st.integers(0, 64), st.integers(0, 64))
def test_as_many_fit_as_the_scarcest_resource_allows(cpus: float, gpus: float, cores: int, cards: int) -> None:
    fits = demand.room({"CPU": cpus, "GPU": gpus}, {"CPU": cores, "GPU": cards})
    assert fits * cpus <= cores + 1e-9
    assert fits * gpus <= cards + 1e-9
    assert (fits + 1) * cpus > cores - 1e-6 or (fits + 1) * gpus > cards - 1e-6


def test_patience_is_over_after_half_a_minute_and_then_every_minute() -> None:
    patience = demand.Patience(now=0)
    told = [second for second in range(200) if patience.is_over(now=second)]
    assert told == [30, 90, 150]


def test_what_happens_makes_patience_start_again() -> None:
    patience = demand.Patience(now=0)
    patience.restart(now=29)
    assert not patience.is_over(now=58)
    assert patience.is_over(now=59)
