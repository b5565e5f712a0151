"""A real Slurm in the lab: munge, a controller, a daemon on each of two hosts, and a folder that they share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import netns_lab
from netns_cluster import wait_until, write_work
from netns_lab import Host, Lab

NODES = ("node1", "node2")
NEEDED = ("slurmctld", "slurmd", "sbatch", "srun", "munged")
CONF = """
ClusterName=lab
SlurmctldHost=node1(10.77.0.1)
AuthType=auth/munge
CredType=cred/munge
AuthInfo=cred_expire=20
SlurmUser=root
SlurmdUser=root
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
StateSaveLocation=/tmp/slurm-state
SlurmdSpoolDir=/tmp/slurmd
SlurmctldPidFile=/tmp/slurmctld.pid
SlurmdPidFile=/tmp/slurmd.pid
SlurmctldLogFile=/mnt/slurmctld.log
SlurmdLogFile=/mnt/slurmd.%n.log
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
NodeName=node1 NodeAddr=10.77.0.1 CPUs=2 State=UNKNOWN
NodeName=node2 NodeAddr=10.77.0.2 CPUs=2 State=UNKNOWN
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PartitionName=P Nodes=node1,node2 Default=YES MaxTime=INFINITE State=UP PriorityTier=1 PreemptMode=REQUEUE GraceTime=60
PartitionName=urgent Nodes=node1,node2 MaxTime=INFINITE State=UP PriorityTier=2 PreemptMode=OFF
"""
MUNGE = (
    "mkdir -p -m 755 /run/munge; cp /mnt/munge.key /tmp/munge.key; chmod 600 /tmp/munge.key;"
    " munged --force --key-file=/tmp/munge.key --log-file=/tmp/munged.log --seed-file=/tmp/munged.seed"
    " --pid-file=/run/munge/munged.pid"
)


def why_not() -> str | None:
    """Why Slurm cannot be run here, in one sentence; None if it can."""
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    if missing := [tool for tool in NEEDED if shutil.which(tool, path=path) is None]:
        return f"a Slurm of our own needs {', '.join(missing)}; apt-get install slurm-wlm munge"
    return netns_lab.why_not()


class Slurm:
    """The running Slurm; its login node is ``node1``."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    @property
    def login(self) -> Host:
        return self.lab["node1"]

    @property
    def shared(self) -> Path:
        """The folder that the hosts see as /mnt."""
        return self.lab.folder / "shared"

    def run(self, line: str) -> str:
        """Run a line in the folder of the user's work on the login node; returns what it prints."""
        environment = "export SLURM_CONF=/mnt/slurm.conf RAY_memory_monitor_refresh_ms=0 RAY_worker_niceness=0"
        return self.login.run(f"{environment}; cd /mnt/work && {line}").stdout

    def state(self, job: str) -> str:
        """What Slurm says of a job: PENDING, RUNNING, COMPLETED, ..."""
        return self.run(f"scontrol show job -o {job}").partition("JobState=")[2].partition(" ")[0]


def up(folder: Path) -> Iterator[Slurm]:
    """Build the lab and start Slurm in it; the end of the lab ends all of it."""
    with Lab(folder, NODES) as lab:
        slurm = Slurm(lab)
        (slurm.shared / "slurm.conf").write_text(CONF)
        (slurm.shared / "munge.key").write_bytes(os.urandom(1024))
        write_work(slurm.shared)
        for name in NODES:
            host = lab[name]
            host.run(f"{MUNGE}; mkdir -p /tmp/slurm-state /tmp/slurmd")
            if name == NODES[0]:
                host.run("slurmctld -f /mnt/slurm.conf")
            host.run(f"slurmd -f /mnt/slurm.conf -N {name}")
        wait_until(lambda: slurm.run("sinfo -h -t idle -o %D").strip() == "2", seconds=60)
        yield slurm
