"""What cluster/aws.sh makes in an account, against a simulated AWS, and that Ray's bootstrap then takes it."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from aws_started_once import aws_started_once
from cluster_files import CHECKOUT
from moto import server as moto_server

from dta_bench.check.cluster import check_cluster

REGION = "us-east-1"


@dataclass(frozen=True)
class Account:
    """The account after the script has run in it twice."""

    first: str
    second: str
    file: dict[str, Any]

    def client(self, service: str) -> Any:
        """A client of the simulated AWS."""
        return boto3.client(service, REGION)


def forget_clients() -> None:
    """Ray keeps its clients for the life of a process, and with them the address that they were made for."""
    from ray.autoscaler._private.aws import utils

    utils.resource_cache.cache_clear()
    utils.client_cache.cache_clear()


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    home = tmp_path_factory.mktemp("home")
    (home / ".ssh").mkdir()
    server = moto_server.ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with aws_started_once(home) as commands, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(commands), prepend=os.pathsep)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            patch.setenv(name, "testing")
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("HOME", str(home))
        for name in [name for name in os.environ if name.lower() in ("http_proxy", "https_proxy")]:
            patch.delenv(name)
        first, second = (
            subprocess.run(
                [CHECKOUT / "cluster" / "aws.sh", "a-bucket"], check=True, capture_output=True, text=True
            ).stdout
            for _ in range(2)
        )
        forget_clients()
        yield Account(first, second, yaml.safe_load(first))
        forget_clients()
    server.stop()


def test_nothing_is_left_to_fill_in_but_images_that_the_simulated_aws_lacks(account: Account, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(account.first)
    (left,) = [line for line in check_cluster(str(tmp_path / "mine.yaml")).fails if "this is a worktree" not in line]
    images = "available_node_types.{}.node_config.ImageId"
    expected = f"{images.format('head')}, {images.format('gpu')} still hold FILL_IN"
    assert left == f"nothing is left to fill in: {expected}"


def test_a_second_call_makes_nothing_and_prints_the_same(account: Account) -> None:
    assert account.second == account.first
    assert len(account.client("efs").describe_file_systems()["FileSystems"]) == 1
    assert len(account.client("iam").list_roles()["Roles"]) <= 3  # and that of spot machines


def test_profiles_have_roles_with_the_shipped_policies(account: Account) -> None:
    iam = account.client("iam")
    for node in ("head", "worker"):
        profile = iam.get_instance_profile(InstanceProfileName=f"dta-bench-{node}")["InstanceProfile"]
        assert [role["RoleName"] for role in profile["Roles"]] == [f"dta-bench-{node}"]
        policy = iam.get_role_policy(RoleName=f"dta-bench-{node}", PolicyName="dta-bench")["PolicyDocument"]
        assert "FILL_IN" not in str(policy)
        used = account.file["available_node_types"]["head" if node == "head" else "gpu"]["node_config"]
        assert used["IamInstanceProfile"]["Arn"] == profile["Arn"]


def test_rays_bootstrap_takes_the_group_that_the_storage_admits(account: Account) -> None:
    from ray.autoscaler._private.aws.config import bootstrap_aws
    from ray.autoscaler._private.util import prepare_config

    file = bootstrap_aws(prepare_config(account.file))
    (nodes,) = {g for kind in file["available_node_types"].values() for g in kind["node_config"]["SecurityGroupIds"]}
    groups = {g["GroupName"]: g for g in account.client("ec2").describe_security_groups()["SecurityGroups"]}
    assert groups["ray-autoscaler-dta-bench"]["GroupId"] == nodes
    (rule,) = groups["dta-bench-storage"]["IpPermissions"]
    assert (rule["FromPort"], rule["ToPort"]) == (2049, 2049)
    assert [pair["GroupId"] for pair in rule["UserIdGroupPairs"]] == [nodes]
    assert any(rule.get("FromPort") == 22 for rule in groups["ray-autoscaler-dta-bench"]["IpPermissions"])


def test_the_storage_has_a_mount_target_in_the_zone_of_the_nodes(account: Account) -> None:
    (system,) = account.client("efs").describe_file_systems()["FileSystems"]
    (target,) = account.client("efs").describe_mount_targets(FileSystemId=system["FileSystemId"])["MountTargets"]
    assert target["AvailabilityZoneName"] == account.file["provider"]["availability_zone"]
    assert any(f"{system['FileSystemId']}.efs.{REGION}.amazonaws.com:/" in c for c in account.file["setup_commands"])
