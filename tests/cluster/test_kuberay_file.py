"""``cluster/kuberay.yaml``, held to KubeRay's schema (tests/helpers/reduced_crd.py) and to the other cluster files."""

import copy
import json
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from cluster_files import CHECKOUT, loaded

from dta_bench.sweep.on_ray import demand

SCHEMA = json.loads((Path(__file__).parent / "kuberay_1.5.1.schema.json").read_text())
DOCUMENTS = list(yaml.safe_load_all((CHECKOUT / "cluster" / "kuberay.yaml").read_text()))
CLUSTER = next(document for document in DOCUMENTS if document["kind"] == "RayCluster")
HEAD = CLUSTER["spec"]["headGroupSpec"]
(WORKERS,) = CLUSTER["spec"]["workerGroupSpecs"]


def containers() -> list[dict[str, Any]]:
    return [c for group in (HEAD, WORKERS) for c in group["template"]["spec"]["containers"]]


def test_kuberays_schema_accepts_it() -> None:
    jsonschema.Draft202012Validator(SCHEMA).validate(CLUSTER)


def mistakes() -> dict[str, Any]:
    """Path → what is written there instead."""
    return {
        "authOptions.mode": "on", "authOptions.modus": "token", "headGroupSpec.template.spec.container": [],
        "headGroupSpec.rayStartParams.num-cpus": 0, "workerGroupSpecs.0.maxReplica": 8,
        "workerGroupSpecs.0.template.spec.containers.0.volumeMount": [], "autoscalerOptions.upscalingMode": "Fast",
    }  # fmt: skip


@pytest.mark.parametrize("path", mistakes())
def test_the_schema_notices_each_mistake(path: str) -> None:
    broken = copy.deepcopy(CLUSTER)
    *above, last = path.split(".")
    place: Any = broken["spec"]
    for name in above:
        place = place[int(name)] if name.isdigit() else place[name]
    place[last] = mistakes()[path]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(SCHEMA).validate(broken)


def test_ray_in_the_file_is_the_one_that_is_pinned() -> None:
    assert CLUSTER["spec"]["rayVersion"] == version("ray")


def test_ray_and_mlflow_ask_for_the_token_that_kuberay_makes() -> None:
    assert CLUSTER["spec"]["authOptions"] == {"mode": "token"}
    secret = {"secretKeyRef": {"name": CLUSTER["metadata"]["name"], "key": "auth_token"}}
    for container in containers():
        (token,) = [variable for variable in container["env"] if variable["name"] == "MLFLOW_TRACKING_TOKEN"]
        assert token["valueFrom"] == secret
    (server,) = [c for c in containers() if c["name"] == "mlflow"]
    assert server["command"][:4] == ["mlflow", "server", "--app-name", "dta-bench-token"]
    assert "--allowed-hosts" in server["command"]


def test_nothing_trains_on_the_head_and_its_dashboard_stays_on_loopback() -> None:
    parameters = HEAD["rayStartParams"]
    assert (parameters["num-cpus"], parameters["num-gpus"], parameters["dashboard-host"]) == ("0", "0", "127.0.0.1")


def test_a_sweep_is_told_of_as_many_workers_as_there_can_be(tmp_path: Path) -> None:
    (config,) = [document for document in DOCUMENTS if document["kind"] == "ConfigMap"]
    file = tmp_path / "ray_bootstrap_config.yaml"
    file.write_text(config["data"]["ray_bootstrap_config.yaml"])
    assert demand.most_machines(file) == WORKERS["maxReplicas"]
    limits = WORKERS["template"]["spec"]["containers"][0]["resources"]["limits"]
    one = {"CPU": float(limits["cpu"]), "GPU": float(limits["nvidia.com/gpu"])}
    assert demand.most_of_file(file) == {kind: amount * WORKERS["maxReplicas"] for kind, amount in one.items()}
    mount = [
        m["mountPath"] for m in HEAD["template"]["spec"]["containers"][0]["volumeMounts"] if m["name"] == "workers"
    ]
    assert mount == ["/home/ray/ray_bootstrap_config.yaml"]


def test_every_mount_has_its_volume_and_every_claim_is_made() -> None:
    claims = {document["metadata"]["name"] for document in DOCUMENTS if document["kind"] == "PersistentVolumeClaim"}
    for group in (HEAD, WORKERS):
        spec = group["template"]["spec"]
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        assert {mount["name"] for c in spec["containers"] for mount in c["volumeMounts"]} == set(volumes)
        asked = {v["persistentVolumeClaim"]["claimName"] for v in volumes.values() if "persistentVolumeClaim" in v}
        assert asked <= claims


def test_it_offers_what_the_file_for_aws_offers_and_holds_no_account() -> None:
    aws = loaded("cluster.yaml")
    assert WORKERS["maxReplicas"] == aws["max_workers"]
    assert CLUSTER["spec"]["autoscalerOptions"]["idleTimeoutSeconds"] == 60 * aws["idle_timeout_minutes"]
    text = (CHECKOUT / "cluster" / "kuberay.yaml").read_text()
    assert set(re.findall(r"FILL_IN_\w+", text)) == {"FILL_IN_IMAGE", "FILL_IN_SHARED_STORAGE"}


def test_a_pod_that_is_taken_away_leaves_as_a_machine_does() -> None:
    (worker,) = WORKERS["template"]["spec"]["containers"]
    script, word = worker["lifecycle"]["preStop"]["exec"]["command"]
    dockerfile = (CHECKOUT / "Dockerfile").read_text()
    assert script == "/opt/dta-bench/cluster/node.sh"
    assert "WORKDIR /opt/dta-bench\n" in dockerfile
    assert word == "leave"
