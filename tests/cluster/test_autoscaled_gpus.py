"""A sweep on a cluster of which no machine is there yet, and whose machines will have a GPU."""

from collections.abc import Iterator

import netns_autoscaler
import netns_lab
import pytest
from fault_notes import Note
from netns_autoscaler import Elastic
from pretended_gpu import DRIVER

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def with_gpus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Elastic]:
    """A head whose machines have a pretended GPU each."""
    if (reason := netns_lab.why_not()) is not None:
        pytest.skip(reason)
    yield from netns_autoscaler.up(tmp_path_factory.mktemp("gpus") / "lab", {"CPU": 2, "GPU": 1})


def test_a_machine_whose_gpu_torch_cannot_use_is_set_aside_and_trains_nothing_on_its_cpus(
    with_gpus: Elastic, note: Note
) -> None:
    sweep = with_gpus.sweep("no_driver", rate=0.00211, seeds=1)
    sweep.wait_for("a machine is set aside, and nothing is trained on it: head has 1 GPU by Ray's count, and torch ")
    (with_gpus.cloud / DRIVER).touch()  # the next machine has one
    assert sweep.ended() == 0, sweep.said()
    assert "1 done" in with_gpus.dry_run("no_driver")
    note("a machine that joins late, whose GPU torch cannot use", "set aside by name; the run trained on the next one")


def test_how_many_runs_share_a_gpu_is_measured_on_the_first_machine_that_comes(with_gpus: Elastic) -> None:
    (with_gpus.cloud / DRIVER).touch()
    with_gpus.wait_until_no_machine_is_left()
    before = len(with_gpus.asked())
    sweep = with_gpus.sweep("auto", "--gpus-per-run auto", rate=0.00212, seeds=2)
    assert sweep.ended() == 0, sweep.said()
    assert with_gpus.asked()[before:] == [1]  # both runs trained on its one GPU
    assert "2 done" in with_gpus.dry_run("auto")
