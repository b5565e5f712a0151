"""A real cluster in the lab: ``ray up`` from a laptop over sshd, with the shipped file for one's own machines."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from netns_lab import CHECKOUT, Host, Lab, title

FILE = "/mnt/machines.yaml"
FILLED_IN = {
    "FILL_IN_HEAD": "10.77.0.2",
    "FILL_IN_WORKER_1": "10.77.0.3",
    "FILL_IN_WORKER_2": "10.77.0.4",
    "FILL_IN_USER": "root",
}
WORKERS = ("worker1", "worker2")
MLFLOW = "http://10.77.0.2:5000"

# A plug-in data set under --root, and a plug-in method whose steps take long but compute little, so that a fault can be
# timed while the machine is idle.
BENCHMARK = '''"""A few of digits' images, read from under root."""

from dataclasses import replace
from hashlib import sha256

import numpy as np

from dta_bench.api import Domains, LabelledImages, UserError
from dta_bench.benchmarks import digits

BENCHMARK = replace(digits.BENCHMARK, name="few_digits", label_budget=20)


def load(root):
    file = root / "few_digits.npz"
    if not file.exists():
        raise UserError(f"{file} is missing")
    with np.load(file) as stored:
        sets = {name: part(stored, name) for name in SIZES}
    return Domains(**sets, fingerprint=sha256(file.read_bytes()).hexdigest())


def part(stored, name):
    labels = stored[f"{name}_labels"]
    return LabelledImages(stored[f"{name}_images"], labels, [f"{name} {i}" for i in range(len(labels))])


SIZES = ("source_train", "source_validation", "target_train", "target_test")
'''
METHOD = '''"""Source only, at leisure."""

import time
from dataclasses import dataclass

from dta_bench.methods import source_only


@dataclass(frozen=True)
class Params:
    pass


def loss(net, source, target, epoch, params):
    time.sleep(0.4)
    return source_only.loss(net, source, target, epoch, source_only.Params())
'''
SPACE = """# A fault's own sweep: the learning rate tells its runs from those of other faults.
benchmark: few_digits
method: at_leisure
baselines: []
seeds: 2
training: {{epochs: {epochs}, optimizer: adam, learning_rate: {rate}, batch_size: 16, devices: {devices}}}
backbones:
  conv3_fc2: {{}}
"""
SIZES = {"source_train": 64, "source_validation": 20, "target_train": 64, "target_test": 40}


@dataclass
class Cluster:
    """The running cluster, and a user's commands on it."""

    lab: Lab

    @property
    def laptop(self) -> Host:
        return self.lab["laptop"]

    @property
    def head(self) -> Host:
        return self.lab["head"]

    @property
    def shared(self) -> Path:
        """The folder that the hosts see as /mnt."""
        return self.lab.folder / "shared"

    def ray(self, line: str, check: bool = True, timeout: float = 900) -> subprocess.CompletedProcess[str]:
        """A ``ray`` command on the laptop, in the checkout."""
        return self.laptop.run(f"cd {CHECKOUT} && ray {line}", timeout=timeout, check=check)

    def sweep(self, name: str, *more: str, out: str = "") -> str:
        """The command of a fault's sweep, for a shell of the head."""
        options = f"--cpus-per-run 2 --out {out or f'/mnt/{name}'} --root /mnt/data --json {' '.join(more)}"
        return f". ~/.dta-bench.sh; cd /mnt/work && dta-bench sweep {name} {options}"

    def nodes(self) -> set[str]:
        """The names of the hosts whose Ray is alive, in the view of the head."""
        code = (
            "import json, ray; ray.init(log_to_driver=False);"
            "print(json.dumps([n['NodeManagerHostname'] for n in ray.nodes() if n['Alive']]))"
        )
        return set(json.loads(self.python(code).splitlines()[-1]))

    def python(self, code: str) -> str:
        """Run Python ``code`` on the head and return what it prints."""
        return self.head.run(f'. ~/.dta-bench.sh; {sys.executable} -c "{code}"').stdout


def up(folder: Path) -> Iterator[Cluster]:
    """Build the lab and start a cluster in it; the end of the lab ends all of it."""
    with Lab(folder, ("laptop", "head", *WORKERS)) as lab:
        cluster = Cluster(lab)
        _write(cluster)
        for host in lab.hosts.values():
            _prepare(host)
        cluster.laptop.run("ray get-auth-token --generate")
        cluster.ray(f"up -y {FILE}")
        yield cluster


def _write(cluster: Cluster) -> None:
    text = (CHECKOUT / "cluster" / "machines.yaml").read_text()
    for placeholder, value in FILLED_IN.items():
        text = text.replace(placeholder, value)
    (cluster.shared / "machines.yaml").write_text(text)
    write_work(cluster.shared)


def write_work(shared: Path) -> None:
    """Write the folder of the user's work, with its plug-ins, and the data."""
    for place, content in (("benchmarks/few_digits.py", BENCHMARK), ("methods/at_leisure.py", METHOD)):
        file = shared / "work" / place
        file.parent.mkdir(parents=True)
        file.write_text(content)
    (shared / "work" / "search_spaces").mkdir()
    _write_images(shared / "data")


def _write_images(folder: Path) -> None:
    """Write noise with bright rows at a height that depends on the class; it is learnt in a few steps."""
    folder.mkdir()
    random, arrays = np.random.default_rng(0), {}
    for name, count in SIZES.items():
        labels = np.arange(count) % 10
        images = random.integers(0, 100, (count, 28, 28, 1), dtype=np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[2 * label : 2 * label + 3] = 255
        arrays |= {f"{name}_images": images, f"{name}_labels": labels}
    np.savez(folder / "few_digits.npz", **arrays)


def _prepare(host: Host) -> None:
    """Give a host what the cluster file asks for: an environment. It is that of this test, without a network.

    Ray's memory monitor is off: it would see the memory of the machine that all hosts share, and end runs.
    """
    venv = "~/dta-bench/.venv"
    host.run(
        f"mkdir -p {venv}; ln -s {Path(sys.executable).parent} {venv}/bin; cp {sys.prefix}/pyvenv.cfg {venv};"
        f" ln -s {sys.prefix}/lib {venv}/lib; touch -d '+1 day' {venv}/.installed;"
        " echo export DTA_BENCH_MLFLOW_WORKERS=1 RAY_worker_niceness=0 RAY_memory_monitor_refresh_ms=0 > ~/.bashrc"
    )


def plan_of(cluster: Cluster, name: str, rate: float, epochs: int, devices: int = 1) -> set[str]:
    """Write a fault's search space and return the identities of its runs."""
    file = cluster.shared / "work" / "search_spaces" / f"{name}.yaml"
    file.write_text(SPACE.format(epochs=epochs, rate=rate, devices=devices))
    found = cluster.head.run(cluster.sweep(name, "--dry-run")).stdout
    return {run["id"] for run in json.loads(found)["runs"]}


def wait_until(happened: Callable[[], Any], seconds: float = 900, unless: subprocess.Popen[str] | None = None) -> Any:
    """Wait for a true result of ``happened`` and return it; fail after ``seconds``, or if ``unless`` ends first."""
    deadline = time.monotonic() + seconds
    while not (found := happened()):
        if unless is not None and unless.poll() is not None:
            raise AssertionError(f"the sweep ended early: {unless.communicate()}")
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.5)
    return found


def training(host: Host, kind: str = "ray::TrainRun") -> list[psutil.Process]:
    """The processes of a host that train, without those that read ahead for them."""
    found = [p for p in host.processes(kind) if title(p).startswith(kind)]
    pids = {p.pid for p in found}
    return [p for p in found if _parent(p) not in pids]


def replicas(host: Host) -> list[psutil.Process]:
    """The processes of a host that train a run on several devices."""
    return training(host, "ray::RayTrainWorker")


def _parent(process: psutil.Process) -> int | None:
    try:
        return process.ppid()
    except psutil.Error:
        return None


HISTORY = """
import json
from mlflow import MlflowClient
client = MlflowClient('http://10.77.0.2:5000')
experiments = [e.experiment_id for e in client.search_experiments() if e.name == 'few_digits']
found = []
for run in client.search_runs(experiments, filter_string='tags.run_id != \\'\\'') if experiments else []:
    history = client.get_metric_history(run.info.run_id, 'loss/total')
    rows = sorted({(m.step, m.value) for m in history})
    tags, measured = run.data.tags, 'test/accuracy' in run.data.metrics
    found.append([tags['run_id'], run.info.status, rows, tags.get('host'), measured])
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Tracked:
    """A run as it stands on the MLflow server; ``epochs`` are (step, loss) pairs."""

    run_id: str
    status: str
    epochs: tuple[tuple[int, float], ...]
    host: str
    measured: bool


def tracked(cluster: Cluster, wanted: set[str]) -> list[Tracked]:
    """The runs on the server whose identities are in ``wanted``."""
    rows = json.loads(cluster.python(HISTORY).splitlines()[-1])
    found = [Tracked(r[0], r[1], tuple((step, value) for step, value in r[2]), r[3], r[4]) for r in rows]
    return [run for run in found if run.run_id in wanted]


def nothing_lost(cluster: Cluster, wanted: set[str], epochs: int) -> list[Tracked]:
    """Assert that each run is there once, finished and measured, with one loss for each of its epochs."""
    runs = tracked(cluster, wanted)
    assert sorted(run.run_id for run in runs) == sorted(wanted)
    assert {run.status for run in runs} == {"FINISHED"}
    assert all(run.measured for run in runs)
    assert [[step for step, _ in run.epochs] for run in runs] == [list(range(1, epochs + 1))] * len(runs)
    return runs
