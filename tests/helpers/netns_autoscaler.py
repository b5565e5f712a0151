"""A head in the lab whose machines come and go: Ray's autoscaler with a cloud that is pretended on one host."""

from __future__ import annotations

import copy
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from cluster_files import loaded
from netns_cluster import SPACE, wait_until, write_work
from netns_lab import CHECKOUT, SHARED, Host, Lab
from pretended_gpu import SITE

HEAD = "10.77.0.1"
MACHINE = {"CPU": 2}
FILE = {
    "cluster_name": "pretended",
    "max_workers": 4,
    "idle_timeout_minutes": 1,
    "upscaling_speed": loaded("cluster.yaml")["upscaling_speed"],
    "provider": {
        "type": "external", "module": "pretended_cloud.PretendedCloud", "launch_multiple": True,
        "head_node_id": "f" * 51 + "00000",
        "disable_node_updaters": True,
    },
    "auth": {"ssh_user": "root"},
    **{f"{part}_commands": [] for part in ("initialization", "setup", "head_setup", "worker_setup", "head_start_ray",
                                           "worker_start_ray")},
    "file_mounts": {}, "cluster_synced_files": [], "file_mounts_sync_continuously": False,
    "rsync_exclude": [], "rsync_filter": [], "docker": {},
    "head_node_type": "ray.head.default",
    "available_node_types": {
        "ray.head.default": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
        "worker": {"resources": MACHINE, "node_config": {}, "min_workers": 0, "max_workers": 4},
    },
}  # fmt: skip


AGENTS = {"metrics_agent": 7101, "metrics_export": 7102, "runtime_env_agent": 7103, "dashboard_agent_listen": 7104}
"""The ports of the head's agents. A raylet waits 15 s for each agent's own note of its port, which is too short on a
busy machine; so the notes are written here."""
FLAGS = (
    "--dashboard-agent-grpc-port={metrics_agent} --metrics-export-port={metrics_export}"
    " --runtime-env-agent-port={runtime_env_agent} --dashboard-agent-listen-port={dashboard_agent_listen}"
).format(**AGENTS)


class Elastic:
    """The running head, and a user's commands on it."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    @property
    def head(self) -> Host:
        return self.lab["head"]

    @property
    def shared(self) -> Path:
        """The folder that the host sees as /mnt."""
        return self.lab.folder / "shared"

    @property
    def cloud(self) -> Path:
        """What the pretended cloud is told and notes."""
        return self.shared / "cloud"

    def asked(self) -> list[int]:
        """How many machines the cloud was asked for, one number for each call."""
        notes = self.cloud / "asked"
        return [int(line) for line in notes.read_text().split()] if notes.exists() else []

    def machines(self) -> int:
        """How many machines there are, without the head."""
        return len(self.head.processes("raylet/raylet")) - 1

    def wait_until_no_machine_is_left(self) -> None:
        """Idle machines go after a minute."""
        wait_until(lambda: self.machines() == 0, seconds=300)

    def sweep(self, name: str, *more: str, rate: float, seeds: int = 2, epochs: int = 2, devices: int = 1) -> Sweep:
        """Start a sweep of its own runs on the head."""
        text = SPACE.format(epochs=epochs, rate=rate, devices=devices).replace("seeds: 2", f"seeds: {seeds}")
        (self.shared / "work" / "search_spaces" / f"{name}.yaml").write_text(text)
        options = f"--out /mnt/{name} --root /mnt/data --confirm 0 {' '.join(more)}"
        environment = f"export RAY_ADDRESS={HEAD}:6379 COLUMNS=1000"
        line = f"{environment}; cd /mnt/work && exec dta-bench sweep {name} {options} > /mnt/{name}.said 2>&1"
        return Sweep(self.head, name, self.shared / f"{name}.said", self.head.start(line))

    def dry_run(self, name: str) -> str:
        """What a sweep that has ended says of its runs."""
        line = f"cd /mnt/work && dta-bench sweep {name} --out /mnt/{name} --root /mnt/data --confirm 0 --dry-run"
        return self.head.run(f"unset RAY_ADDRESS; {line} 2>&1").stdout


@dataclass(frozen=True)
class Sweep:
    """A sweep that runs on the head."""

    head: Host
    name: str
    file: Path
    process: subprocess.Popen[str]

    def said(self) -> str:
        """What it has printed."""
        return self.file.read_text() if self.file.exists() else ""

    def wait_for(self, words: str, seconds: float = 600) -> None:
        """Wait until it has printed some words."""
        wait_until(lambda: words in self.said() or self.process.poll() is not None, seconds)
        assert words in self.said(), self.said()

    def signal(self, number: int) -> None:
        """Send a signal to it."""
        for process in self.head.processes(f"dta-bench sweep {self.name} "):
            if "bash" not in process.name():
                process.send_signal(number)

    def ended(self, seconds: float = 900) -> int:
        """Wait for its end; returns its status."""
        return self.process.wait(seconds)


def up(folder: Path, machine: Mapping[str, int] = MACHINE) -> Iterator[Elastic]:
    """Start a head without machines; the end of the lab ends all of it.

    Args:
        machine: the resources that each of its machines will have.
    """
    with Lab(folder, ("head",)) as lab:
        elastic = Elastic(lab)
        write_work(elastic.shared)
        elastic.cloud.mkdir()
        (elastic.shared / "gpu").mkdir()
        (elastic.shared / "gpu" / "sitecustomize.py").write_text(SITE)
        file: Any = copy.deepcopy(FILE)
        file["available_node_types"]["worker"]["resources"] = dict(machine)
        (elastic.shared / "machines.yaml").write_text(yaml.safe_dump(file))
        own = FILE["provider"]["head_node_id"]  # type: ignore[index]
        environment = (
            "export RAY_FAKE_CLUSTER=1 RAY_enable_autoscaler_v2=1 AUTOSCALER_UPDATE_INTERVAL_S=1"
            " RAY_memory_monitor_refresh_ms=0 RAY_worker_niceness=0 RAY_raylet_start_wait_time_s=300"
            " RAY_agent_register_timeout_ms=300000 RAY_worker_register_timeout_seconds=600"
            f" RAY_CLOUD_INSTANCE_ID={own} RAY_OVERRIDE_NODE_ID_FOR_TESTING={own}"
            " RAY_NODE_TYPE_NAME=ray.head.default"
            f" PYTHONPATH={SHARED}/gpu:{CHECKOUT}/tests/helpers:$PYTHONPATH"
        )
        notes = " ".join(f"echo -n {port} > $session/{name}_port_{own};" for name, port in AGENTS.items())
        lab["head"].run(
            f"(until session=$(ls -d /tmp/ray/session_2*); do sleep 0.1; done; {notes}) > /dev/null 2>&1 &"
            f" {environment}; cp {SHARED}/machines.yaml ~/ray_bootstrap_config.yaml;"
            f" ray start --head --node-ip-address={HEAD} --num-cpus=0 --include-dashboard=false"
            f" --autoscaling-config=$HOME/ray_bootstrap_config.yaml {FLAGS}"
        )
        yield elastic
