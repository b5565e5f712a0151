"""What an operator knows of rented machines: rules for a cluster file, each with what would happen without it."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

File = dict[str, Any]

NEEDED = {
    "aws": (("boto3", "botocore"), "'dta-bench[aws]'"),
    "gcp": (("googleapiclient", "google_auth_httplib2"), "'dta-bench[gcp]'"),
    "azure": (
        ("azure.identity", "azure.mgmt.compute", "azure.mgmt.network", "azure.mgmt.resource"),
        "azure-cli-core azure-identity azure-mgmt-compute azure-mgmt-network azure-mgmt-resource",
    ),
}
"""Provider → the modules that Ray imports for it, and what pip installs them with."""
NFS = {"aws": ("nfsvers=4.1", "hard", "noresvport", "_netdev"), "gcp": ("hard", "_netdev")}
APT = ("DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_MODE=a", "DPkg::Lock::Timeout=")
CLOUDS = ("aws", "gcp")


def missing_packages(file: File) -> str:
    """Which modules ``ray up`` would miss on this machine, with the command that installs them."""
    modules, package = NEEDED.get(file["provider"]["type"], ((), ""))
    missing = [module for module in modules if not _is_there(module)]
    command = f"pip install -c constraints.txt {package}"
    return f"{' and '.join(missing)} of {file['provider']['type']} are not here; {command}" if missing else ""


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # a package above it
        return False


def _is_cloud(file: File) -> bool:
    return file["provider"]["type"] in CLOUDS


def _commands(file: File, *parts: str) -> list[str]:
    return [line for part in parts for line in file.get(part) or []]


def _one_zone(file: File) -> str:
    zones = [zone.strip() for zone in str(file["provider"].get("availability_zone") or "").split(",") if zone.strip()]
    if len(zones) == 1:
        return ""
    named = f"names {', '.join(zones)}" if zones else "is missing, so Ray takes any zone of the region"
    return f"provider.availability_zone {named}; a node in a zone without a mount target of the storage cannot join"


def _hidden_install(file: File) -> str:
    if "head_setup_commands" in file:
        return ""
    return "head_setup_commands is missing, so Ray adds a pip install of a version of its own choice; set []"


def _mounts(file: File) -> str:
    lines = [line for line in _commands(file, "setup_commands") if re.search(r"\bmount\b", line)]
    if not lines:
        return "setup_commands mount no shared storage; a run could not go on on another machine"
    text = "\n".join(lines)
    if "/etc/fstab" not in text:
        return "the shared storage is not in /etc/fstab; it would be gone after a reboot"
    lacking = [option for option in NFS[file["provider"]["type"]] if option not in re.split(r"[\s,\"']+", text)]
    if lacking:
        return f"the mount lacks {', '.join(lacking)}; else a short outage of the server loses writes"
    return (
        "" if re.search(r"\b(for|while|until)\b", text) else "the mount is tried once; storage may answer minutes later"
    )


def _apt(file: File) -> str:
    lines = [line for line in _commands(file, "setup_commands", "head_setup_commands") if "apt-get" in line]
    lacking = sorted({word for line in lines for word in APT if word not in line})
    return (
        f"an apt-get lacks {', '.join(lacking)}; it fails while a fresh machine updates itself, or waits for an answer"
        if lacking
        else ""
    )


def _profiles(file: File) -> str:
    if file["provider"]["type"] != "aws":
        return ""
    without = [
        name for name, kind in file["available_node_types"].items() if "IamInstanceProfile" not in kind["node_config"]
    ]
    return (
        f"{', '.join(without)} has no IamInstanceProfile; Ray would give the head a role with all of EC2 and S3, and"
        " workers none (cluster/iam/ has the policies)"
        if without
        else ""
    )


def _caches_nothing(file: File) -> str:
    if file["provider"]["type"] != "aws" or file["provider"].get("cache_stopped_nodes") is False:
        return ""
    return "provider.cache_stopped_nodes is not false; ray down would stop machines, whose disks go on costing money"


def _at_once(file: File) -> str:
    speed, most = float(file.get("upscaling_speed", 1)), int(file.get("max_workers", 0))
    return (
        f"upscaling_speed is {speed:g}; the first machine would start alone, and {most} others in turns behind it"
        if speed < most
        else ""
    )


def _orphans(file: File) -> str:
    if not any("DTA_BENCH_RENTED=1" in line for line in _commands(file, "setup_commands")):
        return "setup_commands do not set DTA_BENCH_RENTED=1; workers whose head is gone would cost money for ever"
    without = [
        name
        for name, kind in file["available_node_types"].items()
        if name != file["head_node_type"]
        and kind["node_config"].get("InstanceInitiatedShutdownBehavior") != "terminate"
    ]
    return (
        f"{', '.join(without)} has no InstanceInitiatedShutdownBehavior: terminate; its disk would go on costing money"
        if without and file["provider"]["type"] == "aws"
        else ""
    )


def _shards(file: File) -> str:
    text = "\n".join(_commands(file, "setup_commands", "head_setup_commands", "worker_setup_commands"))
    if not re.search(r"\b(s3 (sync|cp)|storage (rsync|cp)|gsutil)\b", text) or "unpack-data" in text:
        return ""
    return (
        "the data come as they are; Ray gives a machine half an hour to start, and hundreds of thousands of small files"
        " take longer. dta-bench cluster pack-data makes a few large ones, unpack-data verifies them"
    )


def _reboot(file: File) -> str:
    lines = _commands(file, "head_start_ray_commands")
    if any("cluster/node.sh head" in line for line in lines) or not any("mlflow server" in line for line in lines):
        return ""  # without either, another rule tells that there is no MLflow
    return "head_start_ray_commands do not call cluster/node.sh head, whose unit starts MLflow and Ray after a reboot"


def _commit(file: File) -> str:
    if (Path(".commit")).is_file():
        return ""
    patterns = [re.sub(r"^/|^\*\*/|/$", "", str(pattern)) for pattern in file.get("rsync_exclude") or []]
    lost = ".git" in patterns or ".git/*" in patterns
    what = "rsync_exclude leaves out .git" if lost else "this is a worktree, whose .git no node can follow"
    return f"{what}; git rev-parse HEAD > .commit lets runs note it" if lost or Path(".git").is_file() else ""


def _in_cloud(rule: Callable[[File], str]) -> Callable[[File], str]:
    return lambda file: rule(file) if _is_cloud(file) else ""


RULES: dict[str, Callable[[File], str]] = {
    "all nodes are in one zone": _in_cloud(_one_zone),
    "Ray installs nothing by itself": _in_cloud(_hidden_install),
    "the shared storage comes back": _in_cloud(_mounts),
    "apt waits for its lock and asks nothing": _apt,
    "nodes have roles of ours": _in_cloud(_profiles),
    "machines that are ended cost nothing": _in_cloud(_caches_nothing),
    "machines are asked for at once": _in_cloud(_at_once),
    "a machine has its data in minutes": _in_cloud(_shards),
    "a worker that has lost its head ends": _in_cloud(_orphans),
    "the head comes back after a reboot": _in_cloud(_reboot),
    "runs note the commit that they are of": _commit,
}
"""Sentence → the function that says why it does not hold, or nothing."""
