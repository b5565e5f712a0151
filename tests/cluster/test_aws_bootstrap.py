"""The shipped file for AWS, walked through by Ray's own bootstrap against a simulated AWS: what ray up would create."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster_files import loaded

boto3 = pytest.importorskip("boto3")
moto = pytest.importorskip("moto")

REGION = "us-east-1"


@pytest.fixture
def ec2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    with moto.mock_aws():
        yield boto3.client("ec2", REGION)


def bootstrapped() -> dict[str, Any]:
    """What Ray makes of the file before it starts the first machine."""
    from ray.autoscaler._private.aws.config import bootstrap_aws
    from ray.autoscaler._private.util import prepare_config

    found: dict[str, Any] = bootstrap_aws(prepare_config(copy.deepcopy(loaded("cluster.yaml"))))
    return found


def test_all_nodes_are_in_the_one_zone(ec2: Any) -> None:
    subnets = {s for kind in bootstrapped()["available_node_types"].values() for s in kind["node_config"]["SubnetIds"]}
    zones = {s["AvailabilityZone"] for s in ec2.describe_subnets(SubnetIds=list(subnets))["Subnets"]}
    assert zones == {loaded("cluster.yaml")["provider"]["availability_zone"]}


def test_nothing_but_ssh_comes_in_from_outside_the_nodes_own_group(ec2: Any) -> None:
    groups = {g for k in bootstrapped()["available_node_types"].values() for g in k["node_config"]["SecurityGroupIds"]}
    (group,) = ec2.describe_security_groups(GroupIds=list(groups))["SecurityGroups"]
    assert group["GroupName"] == "ray-autoscaler-dta-bench"
    from_outside = [rule for rule in group["IpPermissions"] if rule["IpRanges"] or rule["Ipv6Ranges"]]
    assert [(rule["FromPort"], rule["ToPort"]) for rule in from_outside] == [(22, 22)]
    inside = [pair["GroupId"] for rule in group["IpPermissions"] for pair in rule["UserIdGroupPairs"]]
    assert set(inside) == groups


def test_roles_are_those_of_the_file_and_none_is_made(ec2: Any) -> None:
    assert ec2
    types = bootstrapped()["available_node_types"]
    for name, kind in loaded("cluster.yaml")["available_node_types"].items():
        assert types[name]["node_config"]["IamInstanceProfile"] == kind["node_config"]["IamInstanceProfile"]
    assert boto3.client("iam", REGION).list_roles()["Roles"] == []


def test_nothing_is_installed_that_the_file_does_not_say(ec2: Any) -> None:
    assert ec2
    found, file = bootstrapped(), loaded("cluster.yaml")
    assert found["head_setup_commands"] == found["worker_setup_commands"] == file["setup_commands"]
