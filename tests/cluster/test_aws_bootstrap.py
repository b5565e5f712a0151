"""The shipped file for AWS, walked through by Ray's own bootstrap against a simulated AWS: what ray up would create."""

import copy
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster_files import CHECKOUT, loaded

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


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """What is asked of AWS from now on, as ``ec2:RunInstances``."""
    import botocore.client

    asked, ask = set[str](), botocore.client.BaseClient._make_api_call

    def note(client: Any, operation: str, arguments: Any) -> Any:
        asked.add(f"{client.meta.service_model.service_name}:{operation}")
        return ask(client, operation, arguments)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", note)
    return asked


def allowed(role: str) -> set[str]:
    policy = json.loads((CHECKOUT / "cluster" / "iam" / f"{role}.json").read_text())
    listed = [statement["Action"] for statement in policy["Statement"]]
    return {action for actions in listed for action in ([actions] if isinstance(actions, str) else actions)}


def test_who_calls_ray_up_may_do_all_that_the_first_call_does(ec2: Any, calls: set[str]) -> None:
    assert ec2
    bootstrapped()
    assert "ec2:CreateSecurityGroup" in calls
    assert calls <= allowed("caller")


def test_the_head_may_start_and_end_workers_which_are_spot_machines_that_leave_nothing(
    ec2: Any, calls: set[str]
) -> None:
    from ray.autoscaler import tags
    from ray.autoscaler._private.aws.node_provider import AWSNodeProvider

    file = bootstrapped()
    node = copy.deepcopy(file["available_node_types"]["gpu"]["node_config"])
    node["ImageId"] = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    profile = boto3.client("iam", REGION).create_instance_profile(InstanceProfileName="worker")["InstanceProfile"]
    node["IamInstanceProfile"] = {"Arn": profile["Arn"]}
    calls.clear()
    provider = AWSNodeProvider(file["provider"], file["cluster_name"])
    named = {tags.TAG_RAY_NODE_KIND: "worker", tags.TAG_RAY_NODE_NAME: "w", tags.TAG_RAY_USER_NODE_TYPE: "gpu",
             tags.TAG_RAY_LAUNCH_CONFIG: "x", tags.TAG_RAY_NODE_STATUS: "uninitialized"}  # fmt: skip
    provider.create_node(node, named, 1)
    (worker,) = provider.non_terminated_nodes({})
    provider.set_node_tags(worker, {tags.TAG_RAY_NODE_STATUS: "up-to-date"})
    while "ec2:CreateTags" not in calls:  # another thread writes them
        time.sleep(0.1)
    behaviour = ec2.describe_instance_attribute(InstanceId=worker, Attribute="instanceInitiatedShutdownBehavior")
    calls.discard("ec2:DescribeInstanceAttribute")
    assert behaviour["InstanceInitiatedShutdownBehavior"]["Value"] == "terminate"
    (reservation,) = ec2.describe_instances(InstanceIds=[worker])["Reservations"]
    assert reservation["Instances"][0]["InstanceLifecycle"] == "spot"
    provider.terminate_nodes([worker])
    assert provider.non_terminated_nodes({}) == []
    assert {"ec2:RunInstances", "ec2:TerminateInstances"} <= calls <= allowed("head")
