"""The cluster files: what is shipped, what the offline check says of them, and that it notices each mistake."""

import copy
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from dta_bench.check.cluster import check_cluster
from dta_bench.errors import UserError

CHECKOUT = Path(__file__).parents[2]
SHIPPED = {name: CHECKOUT / name for name in ("cluster.yaml", "cluster/gcp.yaml", "cluster/machines.yaml")}
every_file = pytest.mark.parametrize("name", SHIPPED)
rented = pytest.mark.parametrize("name", ["cluster.yaml", "cluster/gcp.yaml"])
LEFT = "nothing is left to fill in"


def loaded(name: str, fill_in: bool = True) -> dict[str, Any]:
    text = SHIPPED[name].read_text()
    filled = re.sub(r"FILL_IN_\w+", lambda found: f"x{found.start()}", text) if fill_in else text
    file: dict[str, Any] = yaml.safe_load(filled)
    return file


def fails(file: dict[str, Any], tmp_path: Path) -> list[str]:
    path = tmp_path / "cluster.yaml"
    path.write_text(yaml.safe_dump(file))
    return check_cluster(str(path)).fails


@every_file
def test_a_shipped_file_waits_only_to_be_filled_in(name: str, tmp_path: Path) -> None:
    (left,) = check_cluster(str(SHIPPED[name])).fails
    assert left.startswith(LEFT)
    assert fails(loaded(name), tmp_path) == []


@every_file
def test_a_shipped_file_holds_nobodys_account(name: str) -> None:
    assert not re.search(r"\b\d{12}\b|ami-[0-9a-f]{8}|AKIA", SHIPPED[name].read_text())


def test_the_variants_differ_only_in_landlord_machines_and_storage() -> None:
    aws, gcp, own = (loaded(name, fill_in=False) for name in SHIPPED)
    allowed = {"provider", "available_node_types", "setup_commands"}
    assert {key for key in aws if aws[key] != gcp[key]} == allowed
    rented_only = {"head_node_type", "max_workers", "idle_timeout_minutes"}
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


HEAD = "head_start_ray_commands"
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
    ("what pip installs is pinned: boto3", lambda f: edit(f, "setup_commands", "boto3==", "boto3>=")),
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
