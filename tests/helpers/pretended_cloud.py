"""Ray's pretended machines, which are raylets on one host, with the refusals of a real cloud."""

from __future__ import annotations

from itertools import count as numbers
from pathlib import Path
from typing import Any

import ray
from ray._raylet import persist_port
from ray.autoscaler._private.fake_multi_node.node_provider import FakeMultiNodeProvider
from ray.autoscaler.node_launch_exception import NodeLaunchException

FOLDER = Path("/mnt/cloud")
"""What the cloud does: ``refuses`` holds why it gives no machine; ``asked`` has a line for each call of it."""
AGENTS = ("metrics_agent_port", "metrics_export_port", "runtime_env_agent_port", "dashboard_agent_listen_port")
PORTS, PARAMS = numbers(7201), ray._private.parameter.RayParams


def with_ports(**given: Any) -> Any:
    """A machine's settings, with ports for its agents; see ``AGENTS`` in netns_autoscaler.py."""
    ports = {name: next(PORTS) for name in AGENTS}
    session = str(Path("/tmp/ray/session_latest").resolve())
    for name, port in ports.items():
        persist_port(session, given["env_vars"]["RAY_OVERRIDE_NODE_ID_FOR_TESTING"], name, port)
    return PARAMS(**(given | ports))


ray._private.parameter.RayParams = with_ports


class PretendedCloud(FakeMultiNodeProvider):  # type: ignore[misc]
    """A provider that notes how many machines it is asked for at once."""

    def create_node_with_resources_and_labels(
        self, node_config: Any, tags: Any, count: int, resources: Any, labels: Any
    ) -> None:
        with (FOLDER / "asked").open("a") as asked:
            print(count, file=asked)
        if (FOLDER / "refuses").exists():
            raise NodeLaunchException("VcpuLimitExceeded", (FOLDER / "refuses").read_text(), None)
        super().create_node_with_resources_and_labels(node_config, tags, count, resources, labels)
