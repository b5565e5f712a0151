"""What a node finds when it checks itself: here, whether the GPUs that Ray counts can be used."""

from typing import Any

import pytest
import torch

from dta_bench.errors import UserError
from dta_bench.sweep.on_ray import cluster, node_check


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets how many GPUs Ray counts, and whether torch can use them."""
    import ray

    def there_are(counted: float, usable: bool) -> None:
        here, other = {"NodeID": "here", "Resources": {"CPU": 4.0}}, {"NodeID": "other", "Resources": {"CPU": 4.0}}
        here["Resources"] |= {"GPU": counted} if counted else {}  # type: ignore[operator]
        monkeypatch.setattr(ray, "nodes", lambda: [other, here])
        monkeypatch.setattr(ray, "init", lambda **_: None)
        monkeypatch.setattr(ray, "cluster_resources", lambda: here["Resources"])
        monkeypatch.setattr(torch.cuda, "is_available", lambda: usable)

    return there_are


@pytest.mark.parametrize(("counted", "usable"), [(0, False), (0, True), (2, True)])
def test_a_node_without_gpus_and_one_whose_gpus_torch_can_use_are_fit(gpus: Any, counted: int, usable: bool) -> None:
    gpus(counted, usable)
    assert node_check._check_gpus("here") == ""


@pytest.mark.parametrize(("counted", "words"), [(1, "has 1 GPU by Ray's count"), (2, "has 2 GPUs by Ray's count")])
def test_gpus_that_torch_cannot_use_are_a_problem_of_the_node(gpus: Any, counted: int, words: str) -> None:
    gpus(counted, usable=False)
    problem = node_check._check_gpus("here")
    assert problem.startswith(words)
    assert "the driver may be missing or too old" in problem
    assert "--gpus-per-run 0 trains on CPUs" in problem


@pytest.mark.parametrize("wanted", [None, 1.0, 0.25, "auto"])
def test_on_one_machine_such_gpus_are_refused_before_the_first_run(gpus: Any, wanted: Any) -> None:
    gpus(1, usable=False)
    with pytest.raises(UserError, match=r"this machine has 1 GPU by Ray's count, and torch .* can use none"):
        cluster._start_local(cluster.Resources(gpus_per_run=wanted), 1)


def test_who_asks_for_no_gpu_trains_on_cpus(gpus: Any) -> None:
    gpus(1, usable=False)
    cluster._start_local(cluster.Resources(gpus_per_run=0.0), 1)
