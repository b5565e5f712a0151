"""The cluster files: what is shipped, what the offline check says of them, and that it notices each mistake."""

import copy
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster_files import CHECKOUT, SHIPPED, loaded

from dta_bench.check import cluster_rules
from dta_bench.check.cluster import check_cluster
from dta_bench.errors import UserError

every_file = pytest.mark.parametrize("name", SHIPPED)
rented = pytest.mark.parametrize("name", ["cluster.yaml", "cluster/gcp.yaml"])
LEFT = "nothing is left to fill in"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in this checkout, which may be a worktree; the check says what is lost there."""
    monkeypatch.chdir(tmp_path)


def test_a_worktree_is_told_because_its_commit_would_be_lost(tmp_path: Path) -> None:
    (tmp_path / ".git").write_text("gitdir: /elsewhere")
    (told,) = fails(loaded("cluster/machines.yaml"), tmp_path)
    assert "this is a worktree, whose .git no node can follow" in told
    (tmp_path / ".commit").write_text("0123456789ab")
    assert fails(loaded("cluster/machines.yaml"), tmp_path) == []


@pytest.fixture
def clouds_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the libraries of every cloud were installed; the tests need them of one alone."""
    monkeypatch.setattr(cluster_rules, "_is_there", lambda module: bool(module))


def fails(file: dict[str, Any], tmp_path: Path) -> list[str]:
    path = tmp_path / "cluster.yaml"
    path.write_text(yaml.safe_dump(file))
    return check_cluster(str(path)).fails


@every_file
@pytest.mark.usefixtures("clouds_libraries")
def test_a_shipped_file_waits_only_to_be_filled_in(name: str, tmp_path: Path) -> None:
    (left,) = check_cluster(str(SHIPPED[name])).fails
    assert left.startswith(LEFT)
    assert fails(loaded(name), tmp_path) == []


@pytest.mark.parametrize(("name", "extra"), [("cluster.yaml", "aws"), ("cluster/gcp.yaml", "gcp")])
def test_missing_libraries_of_a_cloud_are_named_with_the_command(
    name: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_rules, "_is_there", lambda module: not module)
    (sentence,) = fails(loaded(name), tmp_path)
    assert re.search(rf"are not here; pip install -c constraints\.txt .*\[{extra}\]", sentence)


@every_file
def test_a_shipped_file_holds_nobodys_account(name: str) -> None:
    assert not re.search(r"\b\d{12}\b|ami-[0-9a-f]{8}|AKIA", SHIPPED[name].read_text())


def test_the_variants_differ_only_in_landlord_machines_and_storage() -> None:
    aws, gcp, own = (loaded(name, fill_in=False) for name in SHIPPED)
    allowed = {"provider", "available_node_types", "setup_commands"}
    assert {key for key in aws if aws[key] != gcp[key]} == allowed
    rented_only = {"head_setup_commands", "head_node_type", "max_workers", "idle_timeout_minutes", "upscaling_speed"}
    assert set(aws) - set(own) == rented_only | {"available_node_types"}
    differs = {key for key in own if aws[key] != own[key]}
    assert differs == {"provider", "auth", "setup_commands", "head_start_ray_commands"}
    start_aws, start_own = aws["head_start_ray_commands"], own["head_start_ray_commands"]
    assert start_own[:2] == start_aws[:2]
    assert start_own[2] == f"export RAY_enable_autoscaler_v2=0; {start_aws[2]}"


@rented
def test_workers_are_spot_machines_with_a_gpu_and_ask_for_it(name: str) -> None:
    file = loaded(name)
    gpu = file["available_node_types"]["gpu"]
    assert "spot" in yaml.safe_dump(gpu["node_config"]).lower()
    assert gpu["resources"]["GPU"] == 1
    assert (gpu["min_workers"], gpu["max_workers"]) == (0, file["max_workers"])
    # No worker is up when a sweep starts: it could not see that there will be GPUs.
    assert "DTA_BENCH_GPUS_PER_RUN=1" in file["setup_commands"][0]


HEAD, SETUP = "head_start_ray_commands", "setup_commands"
BREAKS: list[tuple[str, Any]] = [
    (r"Ray's own schema accepts it: .*max_wrokers", lambda f: f.update(max_wrokers=3)),
    ("nothing trains on the head: its resources", lambda f: types(f)["head"].update(resources={"CPU": 4})),
    ("nothing trains on the head: its ray start lacks", lambda f: edit(f, HEAD, "--num-cpus=0", "")),
    ("nothing trains on the head: .* no 'ray start --head'", lambda f: edit(f, HEAD, "--head", "")),
    (
        "the head is no spot machine",
        lambda f: types(f)["head"]["node_config"].update(InstanceMarketOptions={"MarketType": "spot"}),
    ),
    ("there are workers, and idle ones go: no node type", lambda f: types(f)["gpu"].update(max_workers=0)),
    ("there are workers, and idle ones go: idle_timeout", lambda f: f.pop("idle_timeout_minutes")),
    ("the dashboard.*listens on 0.0.0.0", lambda f: edit(f, HEAD, "host=127.0.0.1", "host=0.0.0.0")),
    ("Ray asks for a token: file_mounts", lambda f: f["file_mounts"].pop("~/.ray/auth_token")),
    ("Ray asks for a token: setup_commands", lambda f: edit(f, "setup_commands", "node.sh install", "node.sh")),
    ("one MLflow server: it starts 0", lambda f: edit(f, HEAD, "node.sh head", "true")),
    ("one MLflow server: it starts 2", lambda f: f[HEAD].append("mlflow server --allowed-hosts x")),
    ("one MLflow server: workers start one", lambda f: f["worker_start_ray_commands"].append("mlflow server")),
    ("every node joins the head", lambda f: edit(f, "worker_start_ray_commands", "$RAY_HEAD_IP", "10.0.0.1")),
    ("the checkout travels.*lacks /.venv", lambda f: f["rsync_exclude"].remove("/.venv")),
    ("the checkout travels.*data also leaves out folders of dta_bench", lambda f: f["rsync_exclude"].append("data")),
    ("the checkout travels.*'.'", lambda f: f["file_mounts"].pop("~/dta-bench")),
    ("what pip installs is pinned: .*boto3", lambda f: edit(f, SETUP, "-c ~/dta-bench/constraints.txt", "")),
    ("what pip installs is pinned: .*x==1", lambda f: f["head_setup_commands"].append("pip install x==1")),
    ("one zone: provider.availability_zone is missing", lambda f: f["provider"].pop("availability_zone")),
    ("one zone: .* names a, b;", lambda f: f["provider"].update(availability_zone="a,b")),
    ("Ray installs nothing by itself", lambda f: f.pop("head_setup_commands")),
    ("storage comes back: .* lacks nfsvers=4.1;", lambda f: edit(f, SETUP, "nfsvers=4.1,", "")),
    ("storage comes back: .* lacks hard;", lambda f: edit(f, SETUP, "hard,", "soft,")),
    ("storage comes back: .* not in /etc/fstab", lambda f: edit(f, SETUP, "/etc/fstab", "/etc/mtab")),
    ("storage comes back: .* tried once", lambda f: edit(f, SETUP, "for try in $(seq 60)", "if true")),
    ("storage comes back: .* mount no shared", lambda f: f[SETUP].remove(next(c for c in f[SETUP] if "fstab" in c))),
    ("apt waits.*lacks NEEDRESTART_MODE=a", lambda f: edit(f, SETUP, "NEEDRESTART_MODE=a", "")),
    ("apt waits.*lacks .*DPkg::Lock", lambda f: f[SETUP].append("sudo apt-get update")),
    ("roles of ours: gpu has no", lambda f: types(f)["gpu"]["node_config"].pop("IamInstanceProfile")),
    ("ended cost nothing", lambda f: f["provider"].pop("cache_stopped_nodes")),
    ("asked for at once: upscaling_speed is 1;", lambda f: f.pop("upscaling_speed")),
    ("lost its head ends: .*DTA_BENCH_RENTED=1", lambda f: edit(f, SETUP, "DTA_BENCH_RENTED=1", "")),
    (
        "lost its head ends: gpu has no Inst.*terminate",
        lambda f: types(f)["gpu"]["node_config"].pop("InstanceInitiatedShutdownBehavior"),
    ),
    ("its data in minutes: .*half an hour", lambda f: edit(f, SETUP, "unpack-data", "unpack")),
    ("after a reboot", lambda f: edit(f, HEAD, "~/dta-bench/cluster/node.sh head", "mlflow server --allowed-hosts x")),
    ("note the commit.*leaves out .git; git rev-parse", lambda f: f["rsync_exclude"].append("/.git")),
    ("told where .*DTA_BENCH_OUT", lambda f: edit(f, "setup_commands", "DTA_BENCH_OUT=", "OUT=")),
]  # fmt: skip


def types(file: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = file["available_node_types"]
    return found


def edit(file: dict[str, Any], part: str, old: str, new: str) -> None:
    assert any(old in line for line in file[part])
    file[part] = [line.replace(old, new) for line in file[part]]


@pytest.mark.parametrize(("says", "change"), BREAKS, ids=[says for says, _ in BREAKS])
def test_each_mistake_is_the_one_thing_that_is_told(says: str, change: Any, tmp_path: Path) -> None:
    file = copy.deepcopy(loaded("cluster.yaml"))
    change(file)
    (told,) = fails(file, tmp_path)
    assert re.search(says, told), told


def test_a_machine_that_is_named_twice_is_told(tmp_path: Path) -> None:
    file = loaded("cluster/machines.yaml")
    file["provider"]["worker_ips"] = ["10.0.0.1", "10.0.0.1"]
    (told,) = fails(file, tmp_path)
    assert told.endswith("10.0.0.1 is named twice")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[1, 2]", "holds list"),
        ("a: [", "is no plain YAML"),
        ("a: !!python/object/apply:os.system [id]", "is no plain YAML"),
    ],
)
def test_what_is_no_cluster_file_is_refused_in_one_sentence(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "file.yaml").write_text(text)
    with pytest.raises(UserError, match=says) as told:
        check_cluster(str(tmp_path / "file.yaml"))
    assert "\n" not in str(told.value)


def test_a_file_that_is_not_there_is_refused() -> None:
    with pytest.raises(UserError, match=r"nowhere\.yaml cannot be read"):
        check_cluster("nowhere.yaml")


def test_a_node_refuses_to_start_while_a_placeholder_is_left(tmp_path: Path) -> None:
    (tmp_path / ".dta-bench.env").write_text("DTA_BENCH_OUT=/mnt DTA_BENCH_ARTIFACTS=s3://FILL_IN_BUCKET/mlflow\n")
    for word in ("install", "head", "worker"):
        done = subprocess.run(
            [CHECKOUT / "cluster" / "node.sh", word], env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
            capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 1
        assert "a placeholder is left: s3://FILL_IN_BUCKET/mlflow" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [".dta-bench.env"]


def test_the_password_of_mlflows_database_is_in_no_argument_of_a_process(tmp_path: Path) -> None:
    url = "postgresql://user:MARKER@db/mlflow"
    (tmp_path / ".dta-bench.env").write_text(
        f"DTA_BENCH_OUT={tmp_path} DTA_BENCH_ROOT={tmp_path} DTA_BENCH_ARTIFACTS={tmp_path}\n"
        f"DTA_BENCH_STORE={url} DTA_BENCH_ADDRESS=127.0.0.1\n"
    )
    (tmp_path / "bin").mkdir()
    stand_in = tmp_path / "bin" / "mlflow"  # it notes how it was called, and ends the script that calls it for ever
    stand_in.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/arguments\n'
                        f'echo "$MLFLOW_BACKEND_STORE_URI" > {tmp_path}/environment\nkill $PPID\n')  # fmt: skip
    stand_in.chmod(0o755)
    script = tmp_path / "checkout" / "cluster" / "node.sh"  # a checkout without .venv, which would come first in PATH
    script.parent.mkdir(parents=True)
    shutil.copy(CHECKOUT / "cluster" / "node.sh", script)
    env = {"HOME": str(tmp_path), "PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"}
    subprocess.run([script, "mlflow"], env=env, capture_output=True, timeout=60)
    assert "server --host 127.0.0.1" in (tmp_path / "arguments").read_text()
    assert "MARKER" not in (tmp_path / "arguments").read_text()
    assert (tmp_path / "environment").read_text().strip() == url


def test_the_check_is_a_command_with_status_2_for_what_fails() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dta_bench", "check", "cluster", SHIPPED["cluster.yaml"]], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "setup_commands.0" in done.stdout
    assert done.stderr == ""


@every_file
def test_bash_accepts_every_command(name: str) -> None:
    for part in ("setup_commands", "head_setup_commands", "head_start_ray_commands", "worker_start_ray_commands"):
        for line in loaded(name).get(part, []):
            subprocess.run(["bash", "-n", "-c", line], check=True)


@rented
@pytest.mark.parametrize(("fails", "status"), [(2, 0), (99, 1)])
def test_shared_storage_is_tried_until_it_answers(name: str, fails: int, status: int, tmp_path: Path) -> None:
    (line,) = [line for line in loaded(name)["setup_commands"] if "fstab" in line]
    stand_ins = {
        "sudo": '"$@"',
        "mount": f'echo >> {tmp_path}/tries; [ "$(wc -l < {tmp_path}/tries)" -gt {fails} ] && touch {tmp_path}/mounted',
        "mountpoint": f"[ -e {tmp_path}/mounted ]",
        "sleep": "true",
        "tee": f"cat >> {tmp_path}/fstab",
        "grep": "false",
        "mkdir": "true",
    }
    for tool, does in stand_ins.items():
        (tmp_path / tool).write_text(f"#!/bin/bash\n{does}\n")
        (tmp_path / tool).chmod(0o755)
    done = subprocess.run(["bash", "-c", line], env={"PATH": f"{tmp_path}:/usr/bin:/bin"})
    assert done.returncode == status
    assert len((tmp_path / "tries").read_text().splitlines()) == min(fails + 1, 60)
    assert "hard" in (tmp_path / "fstab").read_text().split()[3].split(",")


@rented
def test_what_ray_up_lacks_is_named_with_its_command(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = "dta-bench[aws]" if name == "cluster.yaml" else "dta-bench[gcp]"
    monkeypatch.setattr(cluster_rules, "_is_there", lambda _: False)
    (told,) = fails(loaded(name), tmp_path)
    assert f"are not here; pip install -c constraints.txt '{package}'" in told


@pytest.mark.parametrize("role", ["caller", "head", "worker"])
def test_a_policy_gives_no_rights_on_everything_but_what_cannot_be_narrowed(role: str) -> None:
    policy = json.loads((CHECKOUT / "cluster" / "iam" / f"{role}.json").read_text())
    wide = {
        action
        for statement in policy["Statement"]
        if statement["Resource"] == "*" and "Condition" not in statement
        for action in statement["Action"]
    }
    assert all("*" not in action for statement in policy["Statement"] for action in statement["Action"])
    changes = {action for action in wide if not action.startswith("ec2:Describe")}
    making = {"ec2:CreateKeyPair", "ec2:CreateSecurityGroup", "ec2:AuthorizeSecurityGroupIngress"}
    assert changes <= {"ec2:RunInstances", "ec2:CreateTags"} | (making if role == "caller" else set())
    assert role != "worker" or not wide
