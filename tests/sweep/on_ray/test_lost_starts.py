"""Runs whose worker was asked of a node that leaves, which Ray would wait for without end."""

import time
from types import SimpleNamespace
from typing import Any

import pytest

from dta_bench.sweep.on_ray.worker_deaths import LostStarts

JOB, OTHER_JOB = "1f000000", "20000000"
PAST, AHEAD, NO_LIMIT = 1000, 10**15, 0


class MadeUpRay:
    """One worker node that leaves, with a place of this job on it and an actor that waits for its process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import ray
        from ray._private.state import state

        self.draining, self.pending = {"n1": PAST}, {"a1": {}}
        self.alive = {"a2": {"Address": {"NodeID": "n2"}}}
        self.groups = {f"{number:028x}{JOB}": self.place("n1") for number in (1,)}
        self.removed = list[str]()
        monkeypatch.setattr(state, "get_draining_nodes", lambda: self.draining)
        monkeypatch.setattr(state, "actor_table", lambda _, __, kind: getattr(self, kind.partition("_")[0].lower()))
        monkeypatch.setattr(ray, "get_runtime_context", lambda: SimpleNamespace(get_job_id=lambda: JOB))
        monkeypatch.setattr(ray, "nodes", lambda: [{"NodeID": "n1", "NodeManagerHostname": "worker1"}])
        monkeypatch.setattr(ray.util, "placement_group_table", lambda: self.groups)
        monkeypatch.setattr(ray.util, "remove_placement_group", lambda group: self.removed.append(group.id.hex()))

    def place(self, node: str) -> dict[str, Any]:
        return {"state": "CREATED", "bundles_to_node_id": {0: node}}


@pytest.fixture
def made_up_ray(monkeypatch: pytest.MonkeyPatch) -> MadeUpRay:
    return MadeUpRay(monkeypatch)


def test_the_place_of_a_run_that_never_started_is_given_back_once_the_node_s_time_is_over(
    made_up_ray: MadeUpRay,
) -> None:
    assert LostStarts().give_back() == ["worker1 leaves and has not started a run's worker; it starts elsewhere"]
    assert made_up_ray.removed == list(made_up_ray.groups)


@pytest.mark.parametrize("until", [AHEAD, NO_LIMIT])
def test_a_node_whose_time_is_not_over_keeps_its_places(made_up_ray: MadeUpRay, until: int) -> None:
    made_up_ray.draining = {"n1": until}
    assert LostStarts().give_back() == [] == made_up_ray.removed


def test_where_every_run_has_its_worker_nothing_is_given_back(made_up_ray: MadeUpRay) -> None:
    made_up_ray.pending = {}
    assert LostStarts().give_back() == [] == made_up_ray.removed


def test_a_node_on_which_a_run_still_saves_is_left_alone(made_up_ray: MadeUpRay) -> None:
    made_up_ray.alive = {"a2": {"Address": {"NodeID": "n1"}}}
    assert LostStarts().give_back() == [] == made_up_ray.removed


def test_places_of_other_sweeps_and_other_nodes_are_left_alone(made_up_ray: MadeUpRay) -> None:
    made_up_ray.groups = {f"{1:028x}{OTHER_JOB}": made_up_ray.place("n1"), f"{2:028x}{JOB}": made_up_ray.place("n2")}
    assert LostStarts().give_back() == [] == made_up_ray.removed


@pytest.mark.usefixtures("made_up_ray")
def test_ray_is_asked_once_in_a_while() -> None:
    starts = LostStarts()
    assert starts.give_back() != []
    assert starts.give_back() == []


@pytest.mark.slow
def test_a_real_node_that_leaves_while_it_starts_a_worker_loses_the_start() -> None:
    """The fault itself, without which the mending above would be for nothing; and the place given back ends it."""
    import psutil
    import ray
    from ray._private.state import state
    from ray._raylet import GcsClient
    from ray.cluster_utils import Cluster
    from ray.util.placement_group import placement_group
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        node = cluster.add_node(num_cpus=1)
        ray.init(address=cluster.address, log_to_driver=False)
        raylet = next(
            process
            for process in psutil.process_iter()
            if process.name() == "raylet" and any(node.raylet_socket_name in word for word in process.cmdline())
        )
        place = placement_group([{"CPU": 1}])
        assert place.wait(60)

        @ray.remote(num_cpus=1)
        class Run:
            def ready(self) -> bool:
                return True

        known = {child.pid for child in raylet.children()}
        run = Run.options(  # its environment asks for a worker of its own
            scheduling_strategy=PlacementGroupSchedulingStrategy(place), runtime_env={"env_vars": {"A_RUN": "1"}}
        ).remote()
        started = wait_for(lambda: [c for c in raylet.children() if c.pid not in known and is_worker(c)])
        for child in started:
            child.suspend()
        client = GcsClient(address=cluster.gcs_address)
        accepted, why = client.drain_node(node.node_id, 2, "it leaves", int(time.time() * 1000) + 2000)
        assert accepted, why
        for child in started:
            child.resume()
        ready, _ = ray.wait([run.ready.remote()], timeout=20)
        assert not ready, "Ray has mended it"
        starts = LostStarts()
        assert len(starts.give_back()) == 1
        wait_for(lambda: not state.actor_table(None, None, "PENDING_CREATION"))
    finally:
        ray.shutdown()
        cluster.shutdown()


def is_worker(process: Any) -> bool:
    import psutil

    try:
        return any(word.endswith("default_worker.py") for word in process.cmdline())
    except psutil.Error:
        return False


def wait_for(condition: Any, seconds: float = 60) -> Any:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not come")
