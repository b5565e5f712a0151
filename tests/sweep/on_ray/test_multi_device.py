"""A sweep whose runs take several devices each, with replicas on a real local Ray, and one of them killed."""

import json
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from command_line import dta_bench_here, refused
from real_sweeps import listening_addresses, start, title, tracked, wait_until

from dta_bench.cli.arguments import options_of, plan_of
from dta_bench.errors import UserError
from dta_bench.run.placement import Stopped
from dta_bench.sweep.on_ray.gpu_share import gpus_for
from dta_bench.sweep.on_ray.multi_device import finished, network_interface

ONE_RUN = ("sweep", "fonts_digits", "--method", "source_only", "--points", "1", "--seeds", "1", "--confirm", "0")


@pytest.mark.slow  # a minute or more; tests below hold how replicas end, and the cluster tier kills one too
def test_a_run_on_two_devices_survives_the_death_of_a_replica_with_every_epoch(tmp_path: Path) -> None:
    driver = start(*ONE_RUN, "--epochs", "10", "--training", "devices=2", "--json", cwd=tmp_path)
    replicas: list[psutil.Process] = []

    def two_train() -> bool:
        assert driver.poll() is None, driver.communicate()
        replicas[:] = [p for p in psutil.Process(driver.pid).children(recursive=True) if "RayTrainWorker" in title(p)]
        return len(replicas) == 2 and any((tmp_path / "runs").glob("*.pt"))

    wait_until(two_train)
    assert listening_addresses(driver.pid) == {"127.0.0.1"}
    replicas[1].kill()
    stdout, stderr = driver.communicate(timeout=540)
    assert driver.returncode == 0, stderr
    assert json.loads(stdout)["runs"] == 1
    (run,) = tracked(tmp_path)
    assert run.status == "FINISHED"
    assert run.spec.training.devices == 2
    losses = run_history(tmp_path, run)
    assert [step for step, _ in losses] == list(range(1, 11))
    assert not any((tmp_path / "runs").glob("*.pt"))


def run_history(out: Path, run: object) -> list[tuple[int, float]]:
    from dta_bench.run.workspace import Workspace

    tracker = Workspace(str(out), str(out), f"sqlite:///{out / 'mlflow.db'}").tracker()
    steps, values = tracker.history(run, ["loss/total"])["loss/total"]  # type: ignore[arg-type]
    return list(zip(steps, values, strict=True))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--training", "devices=3"), "batch_size 64 does not fall into 3 equal pieces (accumulate 1 times devices 3)"),
        (("--training", "devices=2", "--stop", "asha"), "--stop asha ends runs on one device alone, and these take 2"),
    ],
)
def test_options_that_do_not_go_together_are_refused_in_one_sentence(
    options: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    assert message in refused(dta_bench_here(*ONE_RUN, "--epochs", "1", *options, cwd=tmp_path))


def test_a_share_of_a_gpu_is_refused_for_a_run_on_two_devices() -> None:
    plan = plan_of("fonts_digits", options_of(training=["devices=2"]))
    with pytest.raises(UserError, match=r"a run on 2 devices has a GPU on each of them; leave out --gpus-per-run 0\.5"):
        gpus_for(plan, 0.5)


def test_train_refuses_several_devices_and_names_sweep(tmp_path: Path) -> None:
    said = refused(dta_bench_here("train", "fonts_digits", "--epochs", "1", "--training", "devices=2", cwd=tmp_path))
    assert "a run on 2 devices needs Ray, which train leaves alone; use sweep" in said


def outcomes(*ways: str) -> dict[str, str]:
    """What a sweep makes of real replicas that end in some ways; see the script."""
    script = Path(__file__).parents[2] / "helpers" / "ending_replicas.py"
    done = subprocess.run([sys.executable, script, *ways], capture_output=True, text=True, timeout=540)
    assert done.returncode == 0, done.stderr
    printed: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return printed


class Trainer:
    """Stands for Ray Train's trainer of two replicas that end with these errors."""

    def __init__(self, *errors: Exception | None) -> None:
        self.failures = {rank: error for rank, error in enumerate(errors) if error is not None}

    def fit(self) -> None:
        from ray.train import WorkerGroupError

        if self.failures:
            raise WorkerGroupError(str(self.failures), self.failures)


CONNECTION_LOST = RuntimeError("connection closed by peer")


def test_replicas_that_saved_and_stopped_are_no_failure() -> None:
    assert not finished(Trainer(CONNECTION_LOST, Stopped("stopped in epoch 1 after step 3")))  # type: ignore[arg-type]
    assert finished(Trainer(None, None))  # type: ignore[arg-type]


def test_any_other_error_of_a_replica_reaches_tune() -> None:
    from ray.train import WorkerGroupError

    with pytest.raises(WorkerGroupError, match="connection closed by peer"):
        finished(Trainer(None, CONNECTION_LOST))  # type: ignore[arg-type]


def test_what_a_replica_asks_the_user_to_mend_is_raised_even_if_others_lost_their_connection() -> None:
    with pytest.raises(UserError, match=r"a\.png cannot be read"):
        finished(Trainer(CONNECTION_LOST, UserError("a.png cannot be read")))  # type: ignore[arg-type]


@pytest.mark.slow  # eight replicas; the tests before hold the same ways without Ray
def test_real_replicas_that_stop_or_fail_are_told_apart_by_their_own_exceptions() -> None:
    found = outcomes("mend", "stopped", "done", "other")
    assert found["mend"] == "UserError: a.png cannot be read"
    assert (found["stopped"], found["done"]) == ("finished: False", "finished: True")
    assert found["other"].startswith("WorkerGroupError")
    assert "connection closed by peer" in found["other"]


def test_the_network_interface_of_an_address_is_found() -> None:
    name = network_interface("127.0.0.1")
    assert any(own.address == "127.0.0.1" for own in psutil.net_if_addrs()[name])
