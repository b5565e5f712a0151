"""``cluster/node.sh`` with programs that stand in for those of a real machine."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from cluster_files import CHECKOUT
from netns_cluster import wait_until


@dataclass
class Machine:
    """A home, a checkout without an environment, and stand-ins for programs, which note how they are called."""

    home: Path

    @property
    def bin(self) -> Path:
        return self.home / "bin"

    @property
    def script(self) -> Path:
        return self.home / "dta-bench" / "cluster" / "node.sh"

    def stand_in(self, name: str, does: str = "") -> None:
        """Make a program that notes its name and arguments, and then does something."""
        (self.bin / name).write_text(f'#!/bin/bash\necho "{name} $*" >> {self.home}/calls\n{does}\n')
        (self.bin / name).chmod(0o755)

    def calls(self) -> list[str]:
        notes = self.home / "calls"
        return notes.read_text().splitlines() if notes.exists() else []

    def run(self, word: str, **environment: str) -> subprocess.CompletedProcess[str]:
        env = {"HOME": str(self.home), "PATH": f"{self.bin}:/usr/bin:/bin"} | environment
        return subprocess.run([self.script, word], env=env, capture_output=True, text=True, timeout=60)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path)
    made.bin.mkdir()
    made.script.parent.mkdir(parents=True)
    shutil.copy(CHECKOUT / "cluster" / "node.sh", made.script)
    settings = f"DTA_BENCH_OUT={tmp_path}/out DTA_BENCH_ROOT=/data DTA_BENCH_ARTIFACTS=/a DTA_BENCH_ADDRESS=10.0.0.1"
    (tmp_path / ".dta-bench.env").write_text(settings)
    return made


def test_after_a_reboot_the_head_does_again_what_ray_up_has_done_in_the_same_order(machine: Machine) -> None:
    commands = ["first one", "true; second $WHERE $RAY_NODE_TYPE_NAME", "third --quote='a  b'"]
    (machine.home / "ray_bootstrap_config.yaml").write_text(yaml.safe_dump({"head_start_ray_commands": commands}))
    (machine.home / ".dta-bench.sh").write_text("export WHERE=here")
    (machine.home / ".dta-bench.boot.sh").write_text("export RAY_NODE_TYPE_NAME=head")
    for name in ("first", "second", "third"):
        machine.stand_in(name)
    (machine.bin / "python").symlink_to(shutil.which("python3") or "")
    done = machine.run("boot")
    assert done.returncode == 0, done.stderr
    assert machine.calls() == ["first one", "second here head", "third --quote=a  b"]


def test_a_head_command_that_fails_at_boot_is_the_units_failure(machine: Machine) -> None:
    file = {"head_start_ray_commands": ["false", "second"]}
    (machine.home / "ray_bootstrap_config.yaml").write_text(yaml.safe_dump(file))
    for name in (".dta-bench.sh", ".dta-bench.boot.sh"):
        (machine.home / name).write_text("")
    machine.stand_in("second")
    (machine.bin / "python").symlink_to(shutil.which("python3") or "")
    assert machine.run("boot").returncode != 0
    assert machine.calls() == []


def test_the_unit_waits_for_network_and_shared_storage_and_runs_as_the_user(machine: Machine) -> None:
    unit = machine.run("unit").stdout
    assert f"RequiresMountsFor={machine.home}/out" in unit
    assert "After=network-online.target remote-fs.target" in unit
    assert f"ExecStart={machine.script} boot" in unit
    assert f"User={subprocess.check_output(['id', '-un'], text=True).strip()}" in unit


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here; the unit is not held")
def test_systemd_accepts_the_unit(machine: Machine) -> None:
    unit = machine.home / "dta-bench-head.service"
    unit.write_text(machine.run("unit").stdout)
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_worker_without_ray_for_a_quarter_of_an_hour_shuts_down(machine: Machine) -> None:
    machine.stand_in("sleep")
    machine.stand_in("sudo")
    # Ray is there, is away for a while, comes back, and is then gone.
    machine.stand_in("pgrep", 'n=$(grep -c pgrep $HOME/calls); [ "$n" -le 3 ] || [ "$n" = 10 ]')
    assert machine.run("orphan").returncode == 0
    assert machine.calls()[-1] == "sudo shutdown -h now"
    assert sum(call.startswith("sleep 60") for call in machine.calls()) == 10 + 15


@pytest.mark.parametrize(("rented", "watched"), [("1", True), ("", False)])
def test_machines_of_ones_own_are_never_shut_down(machine: Machine, rented: str, watched: bool) -> None:
    machine.stand_in("flock")
    machine.stand_in("setsid", '"$@"')
    machine.stand_in("nohup", '"$@"')
    machine.run("worker", DTA_BENCH_RENTED=rented)
    wait_until(lambda: sum("flock" in call for call in machine.calls()) >= 2 * (1 + watched), seconds=30)
    assert any("orphan" in call for call in machine.calls()) == watched
    assert any("notice" in call for call in machine.calls())


def test_a_machine_that_becomes_an_image_keeps_no_token_key_or_result(machine: Machine) -> None:
    secrets = [
        ".ray/auth_token", "ray_bootstrap_key.pem", ".ssh/authorized_keys", "mlflow.db", "mlflow.log",
        ".aws/credentials",
    ]  # fmt: skip
    kept = ["dta-bench/constraints.txt", "data/visda/1.jpg", ".dta-bench.sh"]
    for name in (*secrets, *kept):
        (machine.home / name).parent.mkdir(parents=True, exist_ok=True)
        (machine.home / name).write_text("x")
    for tool in ("sudo", "ray", "cloud-init"):
        machine.stand_in(tool)
    assert machine.run("clean").returncode == 0
    assert [name for name in secrets if (machine.home / name).exists()] == []
    assert all((machine.home / name).exists() for name in kept)
    assert "ray stop" in machine.calls()
    assert any(call.startswith("sudo cloud-init clean") for call in machine.calls())
    assert any("rm -f /etc/ssh/ssh_host_" in call for call in machine.calls())


def test_in_a_container_a_pod_leaves_without_the_files_of_a_machine(machine: Machine) -> None:
    (machine.home / ".dta-bench.env").unlink()
    machine.stand_in("ray")
    machine.stand_in("pgrep", "echo 1")
    machine.stand_in("pkill")
    assert machine.run("leave").returncode == 0
    assert machine.calls()[0].startswith("ray drain-node --reason DRAIN_NODE_REASON_PREEMPTION")
    assert machine.calls()[-1].startswith("pkill -TERM -P 1")
