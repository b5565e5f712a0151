"""The cluster file, checked offline by Ray's own schema, and for what Ray does not check."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

FILE = Path(__file__).parents[1] / "cluster.yaml"
CLUSTER: dict[str, Any] = yaml.safe_load(FILE.read_text())
HEAD, GPU = CLUSTER["available_node_types"]["head"], CLUSTER["available_node_types"]["gpu"]


def validate(cluster: dict[str, Any]) -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    validate_config(prepare_config(cluster))


def test_ray_accepts_it() -> None:
    validate(yaml.safe_load(FILE.read_text()))


def test_rays_check_would_notice_a_key_that_it_does_not_know() -> None:
    with pytest.raises(Exception, match="max_wrokers"):
        validate(yaml.safe_load(FILE.read_text()) | {"max_wrokers": 3})


def test_nothing_trains_on_the_head_and_a_spot_price_cannot_end_it() -> None:
    assert CLUSTER["head_node_type"] == "head"
    assert HEAD["resources"] == {"CPU": 0}
    assert "InstanceMarketOptions" not in HEAD["node_config"]


def test_workers_are_spot_machines_with_a_gpu_that_come_and_go() -> None:
    assert GPU["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
    assert GPU["resources"]["GPU"] == 1
    assert (GPU["min_workers"], GPU["max_workers"]) == (0, CLUSTER["max_workers"])
    assert CLUSTER["idle_timeout_minutes"] > 0


def test_aws_cannot_accept_it_before_every_machine_is_filled_in() -> None:
    for node in (HEAD, GPU):
        assert "FILL_IN" in node["node_config"]["ImageId"]  # no image id is spelled so: refused before anything starts
        assert "FILL_IN" in node["node_config"]["IamInstanceProfile"]["Arn"]
    assert not re.search(r"\b\d{12}\b|ami-[0-9a-f]{8}|AKIA", FILE.read_text())


def test_every_bucket_and_file_system_is_a_placeholder_that_no_name_can_be() -> None:
    text = FILE.read_text()
    buckets = re.findall(r"s3://([^/\s]+)/", text)
    assert len(buckets) >= 3
    assert set(buckets) == {"FILL_IN_BUCKET"}  # capitals and underscores are refused by S3
    assert "mount -t nfs4 FILL_IN" in text


def test_dashboard_stays_on_loopback_and_every_start_of_ray_asks_for_the_token() -> None:
    head, setup = " ".join(CLUSTER["head_start_ray_commands"]), " ".join(CLUSTER["setup_commands"])
    assert "--dashboard-host=127.0.0.1" in head
    assert "RAY_AUTH_MODE=token" in setup
    assert CLUSTER["file_mounts"]["/home/ubuntu/.ray/auth_token"] == "~/.ray/auth_token"


def test_one_mlflow_server_runs_on_the_head_and_workers_are_told_where() -> None:
    head, worker = " ".join(CLUSTER["head_start_ray_commands"]), " ".join(CLUSTER["worker_start_ray_commands"])
    assert head.count("mlflow server") == 1
    assert "--allowed-hosts" in head
    assert "mlflow server" not in worker
    assert worker.index("MLFLOW_TRACKING_URI=http://$RAY_HEAD_IP:5000") < worker.index("ray start")


def test_the_checkout_travels_without_what_is_made_in_it() -> None:
    assert "." in CLUSTER["file_mounts"].values()
    assert {".venv", "data", "runs", "mlruns"} <= set(CLUSTER["rsync_exclude"])


def test_nodes_install_what_constraints_pin() -> None:
    assert any("make -C ~/dta-bench install" in command for command in CLUSTER["setup_commands"])
    loose = re.findall(r"(boto3|awscli)(?!==)[<>~ ]", " ".join(CLUSTER["setup_commands"]))
    assert loose == []
