"""A sweep as a job of a real Slurm: work on both nodes, and a limit of time that costs nothing but time."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest
from fault_notes import Note
from mlflow import MlflowClient
from netns_cluster import METHOD, SPACE, wait_until
from netns_slurm import NODES, Slurm

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(2400)]
EPOCHS = 30  # of 6 s at least: more than the time limit leaves room for
FEW_EPOCHS = 8
LOSS = "loss/total"
ASK = "dta-bench cluster slurm --nodes 2 --gpus 0 --cpus 2 --time {time} --notice 150 --partition P"


@dataclass(frozen=True)
class Ended:
    """A job that has come to its end: its state, all that it printed, and its sweep's runs in MLflow's store."""

    state: str
    log: str
    wanted: set[str]
    runs: list[object]
    losses: dict[str, list[tuple[int, float]]]
    hosts: set[str]
    without_token: list[str]


OVER = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "PREEMPTED")


@dataclass
class Job:
    """A sweep's job that has been submitted.

    Attributes:
        number: Slurm's.
        wanted: the identities of its runs.
        folder: its ``--out``, as this process sees it.
    """

    slurm: Slurm
    number: str
    wanted: set[str]
    folder: Path

    @classmethod
    def submit(cls, slurm: Slurm, name: str, epochs: int, rate: float, time: str) -> Self:
        """Write a sweep's search space and submit it; an epoch takes 6 s at least."""
        (slurm.shared / "work" / "search_spaces" / f"{name}.yaml").write_text(
            SPACE.format(epochs=epochs, rate=rate, devices=1).replace("at_leisure", "at_great_leisure")
        )
        (slurm.shared / "work" / "methods" / "at_great_leisure.py").write_text(METHOD.replace("0.4", "1.5"))
        sweep = f"sweep {name} --cpus-per-run 2 --confirm 0 --out /mnt/{name} --root /mnt/data"
        planned = json.loads(slurm.run(f"dta-bench {sweep} --dry-run --json"))
        said = slurm.run(f"{ASK.format(time=time)} --submit {sweep}")
        number = re.search(r"Submitted batch job (\d+)", said)
        assert number, said
        return cls(slurm, number[1], {run["id"] for run in planned["runs"]}, slurm.shared / name)

    @property
    def log(self) -> str:
        """All that it has printed."""
        return (self.slurm.shared / "work" / f"dta-bench-{self.number}.out").read_text()

    def wait_for_checkpoint(self) -> None:
        """Wait until a run has trained an epoch."""
        wait_until(lambda: list((self.folder / "runs").glob("*.pt")), seconds=600)

    def ended(self, without_token: list[str]) -> Ended:
        """Wait for its end and read MLflow's store."""
        state = wait_until(lambda: (now := self.slurm.state(self.number)) in OVER and now, seconds=1800)
        client = MlflowClient(f"sqlite:///{self.folder}/mlflow.db")
        experiments = [e.experiment_id for e in client.search_experiments() if e.name == "few_digits"]
        runs = client.search_runs(experiments, "tags.run_id != ''")
        losses = {
            # An epoch that was being evaluated when its run saved is sent again, with the same loss.
            r.data.tags["run_id"]: sorted({(m.step, m.value) for m in client.get_metric_history(r.info.run_id, LOSS)})
            for r in runs
        }
        hosts = {run.data.tags["host"] for run in runs}
        return Ended(state, self.log, self.wanted, list(runs), losses, hosts, without_token)


@pytest.fixture(scope="module")
def ended(slurm: Slurm) -> Ended:
    """A job whose limit of time comes first."""
    job = Job.submit(slurm, "limited", EPOCHS, 0.00301, time="0:06")
    job.wait_for_checkpoint()
    return job.ended(_without_token(slurm, job.number))


@pytest.fixture(scope="module")
def preempted(slurm: Slurm) -> Ended:
    """A job whose nodes another one takes, which is more urgent."""
    job = Job.submit(slurm, "preempted", FEW_EPOCHS, 0.00302, time="0:40")
    job.wait_for_checkpoint()
    slurm.run("sbatch --partition urgent --nodes 2 --ntasks-per-node 2 --output /mnt/urgent.out --wrap 'hostname'")
    return job.ended([])


def _without_token(slurm: Slurm, job: str) -> list[str]:
    """What Ray and MLflow of a running job say to another user of the network, who has no token."""
    ports = slurm.run("tr '\\0' '\\n' < /proc/$(pgrep -f 'bash -c start_node' | head -n 1)/environ")
    ray = next(line for line in ports.splitlines() if line.startswith("RAY_ADDRESS=")).partition("=")[2]
    mlflow = next(line for line in ports.splitlines() if line.startswith("MLFLOW_TRACKING_URI=")).partition("=")[2]
    other = slurm.lab[NODES[1]]
    status = other.run(f"RAY_AUTH_MODE=disabled timeout 100 ray status --address {ray}", check=False)
    assert f"job {job}" in (slurm.shared / "work" / f"dta-bench-{job}.out").read_text()
    return [status.stdout, other.run(f"curl -s -o /dev/null -w '%{{http_code}}' {mlflow}/health").stdout]


def test_ray_and_mlflow_of_the_job_let_nobody_in_without_its_token(ended: Ended) -> None:
    status, code = ended.without_token
    assert "CPU" not in status
    assert code == "401"


def test_the_job_comes_to_its_end_after_it_was_put_into_the_queue_again(ended: Ended) -> None:
    assert ended.state == "COMPLETED", ended.log
    assert "start 1," in ended.log
    assert "runs save and end" in ended.log
    assert "put into the queue again" in ended.log
    assert "start 2," in ended.log
    assert "Traceback" not in ended.log


def test_the_links_lead_to_what_is_there_after_the_job(ended: Ended) -> None:
    (link,) = re.findall(r"These runs in MLflow, while dta-bench ui serves them: (\S+)", ended.log)
    assert link.startswith("http://127.0.0.1:5000/#/experiments/")
    assert "dta-bench ui --out /mnt/limited " in ended.log


def test_both_nodes_have_work(ended: Ended) -> None:
    assert ended.hosts == set(NODES)


def nothing_lost(ended: Ended, epochs: int) -> None:
    """Assert that each run is there once, with one loss for each of its epochs."""
    assert set(ended.losses) == ended.wanted
    assert len(ended.runs) == len(ended.wanted)
    every = list(range(1, epochs + 1))
    assert all([step for step, _ in losses] == every for losses in ended.losses.values())


def test_no_run_and_no_epoch_is_lost_or_doubled(ended: Ended, note: Note) -> None:
    nothing_lost(ended, EPOCHS)
    starts = len(re.findall(r"job \d+, start", ended.log))
    note("a limit of time that comes before the runs' end", f"saved, put into the queue again, done in start {starts}")


def test_a_job_that_a_more_urgent_one_preempts_saves_and_goes_on_afterwards(preempted: Ended, note: Note) -> None:
    assert preempted.state == "COMPLETED", preempted.log
    assert "the job has to end: runs save and end" in preempted.log
    assert "start 2," in preempted.log
    nothing_lost(preempted, FEW_EPOCHS)
    note("a more urgent job takes all nodes, with a minute's grace", "runs saved; Slurm started the job again; done")


def test_slurm_takes_the_array_that_is_written(slurm: Slurm) -> None:
    lines = "".join(f"sweep digits --epochs {n} --out /mnt/of{n}\n" for n in (1, 2))
    (slurm.shared / "work" / "sweeps").write_text(lines)
    slurm.run("dta-bench cluster slurm --gpus 0 --cpus 2 --array sweeps --to array.sbatch")
    slurm.run("sbatch --test-only array.sbatch")


def test_nothing_of_a_job_is_left_on_its_nodes(ended: Ended, preempted: Ended, slurm: Slurm) -> None:
    assert ended.state == preempted.state
    for name in NODES:
        assert not slurm.lab[name].processes("raylet")
        assert not slurm.lab[name].processes("mlflow")
        assert not re.search(r"dta-bench-\d", slurm.lab[name].run("ls /tmp").stdout)
