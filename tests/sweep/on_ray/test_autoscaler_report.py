"""What Ray's autoscaler reports, in words."""

from pathlib import Path

import pytest
from ray.autoscaler.v2.schema import ClusterStatus, LaunchRequest, NodeInfo

from dta_bench.sweep.on_ray import autoscaler_report
from dta_bench.sweep.on_ray.autoscaler_report import describe, last_failure

LOG = """29 17:06:58,397 INFO node_provider.py:485 -- Launching 1 nodes of type gpu.
29 17:06:59,101 INFO node_provider.py:491 -- Failed to launch 1 nodes of type gpu: An error occurred (Unsupported)
29 17:07:58,397 INFO node_provider.py:491 -- Failed to launch 8 nodes of type gpu: (VcpuLimitExceeded) limit of 0
29 17:07:59,397 INFO event_logger.py:77 -- Adding 8 node(s) of type gpu.
"""


def launch(count: int, state: LaunchRequest.Status) -> LaunchRequest:
    return LaunchRequest("g6e.2xlarge", "gpu", count, state, 0)


def test_machines_are_counted_by_what_becomes_of_them() -> None:
    status = ClusterStatus(
        pending_launches=[launch(5, LaunchRequest.Status.PENDING)],
        pending_nodes=[NodeInfo("g6e.2xlarge", "gpu", f"i-{number}", "") for number in range(2)],
        failed_launches=[launch(1, LaunchRequest.Status.FAILED)],
    )
    assert describe(status, "limit of 0") == (
        "5 gpu are asked of the cloud, 2 gpu are being installed, 1 gpu is refused by the cloud,"
        " the last failure: limit of 0"
    )


def test_without_a_log_the_place_of_the_reason_is_told() -> None:
    status = ClusterStatus(failed_launches=[launch(1, LaunchRequest.Status.FAILED)])
    assert describe(status).endswith("the reason is in monitor.log of Ray's session on the head")


def test_nothing_is_said_of_nothing() -> None:
    assert describe(ClusterStatus()) == ""


def test_the_last_reason_in_the_log_is_taken(tmp_path: Path) -> None:
    (tmp_path / "monitor.log").write_text(LOG)
    assert last_failure(tmp_path / "monitor.log") == (
        "Failed to launch 8 nodes of type gpu: (VcpuLimitExceeded) limit of 0"
    )


def test_so_is_an_installation_that_fails(tmp_path: Path) -> None:
    line = "Ray installation failed on instance i-1: exit code 100"
    (tmp_path / "monitor.log").write_text(f"{LOG}2026 INFO threaded_ray_installer.py:83 -- {line}\n")
    assert last_failure(tmp_path / "monitor.log") == line


@pytest.mark.parametrize("log", [None, "nowhere", "."])
def test_without_a_log_there_is_no_reason(log: str | None, tmp_path: Path) -> None:
    assert last_failure(None if log is None else tmp_path / log) == ""


def test_a_long_reason_is_cut(tmp_path: Path) -> None:
    (tmp_path / "monitor.log").write_text("Failed to launch 1 nodes: " + "x" * 9999)
    assert len(last_failure(tmp_path / "monitor.log")) == autoscaler_report.LONGEST
