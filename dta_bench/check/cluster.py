"""The contract of a cluster file: Ray's own schema, and what a sweep needs of a cluster. Checked offline."""

from __future__ import annotations

import copy
import fnmatch
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from dta_bench import plugins
from dta_bench.check.cluster_rules import RULES, missing_packages
from dta_bench.check.findings import Findings
from dta_bench.errors import UserError

PLACEHOLDER = "FILL_IN"
EXCLUDED = {".venv", "data", "runs"}

File = dict[str, Any]


def check_cluster(path: str) -> Findings:
    """Check a cluster file as far as that is possible without a cloud or another machine.

    Args:
        path: the YAML file.

    Raises:
        UserError: there is no such file, or it is no YAML mapping.
    """
    file, found = read(Path(path)), Findings()
    found.expect("nothing is left to fill in", lambda: _left(file))
    if not found.expect("Ray's own schema accepts it", lambda: _schema(file)):
        return found
    found.expect("what ray up imports for this provider is installed", lambda: missing_packages(file))
    found.expect("nothing trains on the head", lambda: _head_trains(file))
    found.expect("the head is no spot machine", lambda: _head_spot(file))
    found.expect("there are workers, and idle ones go", lambda: _workers(file))
    found.expect("the dashboard, whose API starts jobs, stays on loopback", lambda: _dashboard(file))
    found.expect("Ray asks for a token", lambda: _token(file))
    found.expect("the head runs one MLflow server", lambda: _mlflow(file))
    found.expect("every node joins the head", lambda: _joins(file))
    found.expect("the checkout travels without what is made in it", lambda: _checkout(file))
    found.expect("what pip installs is pinned", lambda: _pinned(file))
    found.expect("every node is told where runs, data and artifacts lie", lambda: _settings(file))
    for sentence, rule in RULES.items():
        found.expect(sentence, lambda rule=rule: rule(file))  # type: ignore[misc]
    return found


def read(path: Path) -> File:
    """Read the file as plain YAML; tags that build objects are refused.

    Raises:
        UserError: it is missing, or no YAML mapping.
    """
    try:
        file = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"the cluster file {path} cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"the cluster file {path} is no plain YAML: {' '.join(str(error).split())}") from error
    if not isinstance(file, dict):
        raise UserError(f"the cluster file {path} holds {type(file).__name__}, not a mapping of settings")
    return file


def _left(file: File) -> str:
    left = [where for where, text in _texts(file, "") if PLACEHOLDER in text]
    return f"{', '.join(left)} still hold {PLACEHOLDER}" if left else ""


def _texts(value: Any, where: str) -> Iterator[tuple[str, str]]:
    """Every string of the file with its place, as ``provider.worker_ips.0``."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(inner, f"{where}.{key}" if where else str(key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _texts(inner, f"{where}.{number}")
    elif isinstance(value, str):
        yield where, value


def _schema(file: File) -> str:
    from ray.autoscaler._private import cli_logger
    from ray.autoscaler._private.util import prepare_config, validate_config

    logging.getLogger("ray.autoscaler._private.util").setLevel(logging.ERROR)
    cli_logger.cli_logger.abort = _abort  # Ray's own prints and exits
    try:
        validate_config(prepare_config(copy.deepcopy(file)))
    except Exception as error:  # jsonschema's, and Ray's own kinds
        return str(getattr(error, "message", "") or str(error).partition("\n")[0] or repr(error))
    return ""


def _abort(said: str | None = None, *_: Any, **__: Any) -> None:
    raise ValueError(said or "Ray gives no reason")


def _commands(file: File, *parts: str) -> str:
    return "\n".join(line for part in parts for line in file.get(part) or [])


def _is_local(file: File) -> bool:
    return bool(file["provider"]["type"] == "local")


def _head_start(file: File) -> str:
    """The command that starts Ray on the head."""
    starts = [line for line in file.get("head_start_ray_commands") or [] if re.search(r"\bray start\b.*--head", line)]
    return starts[0] if starts else ""


def _head_trains(file: File) -> str:
    start = _head_start(file)
    if not start:
        return "head_start_ray_commands have no 'ray start --head'"
    if "--num-cpus=0" not in start or "--num-gpus=0" not in start:
        return "its ray start lacks --num-cpus=0 --num-gpus=0"
    if _is_local(file):
        return ""
    offered = file["available_node_types"][file["head_node_type"]].get("resources", {})
    return "" if offered.get("CPU") == 0 and not offered.get("GPU") else f"its resources are {offered}, not {{CPU: 0}}"


def _head_spot(file: File) -> str:
    if _is_local(file):
        return ""
    node = yaml.safe_dump(file["available_node_types"][file["head_node_type"]]["node_config"]).lower()
    return "it can be taken away at any time, and the sweep's driver with it" if re.search("spot|preempt", node) else ""


def _workers(file: File) -> str:
    if _is_local(file):
        ips = file["provider"].get("worker_ips") or []
        repeated = {
            ip for ip in [*ips, file["provider"].get("head_ip")] if [*ips, file["provider"]["head_ip"]].count(ip) > 1
        }
        return (
            f"{', '.join(sorted(repeated))} is named twice"
            if repeated
            else ""
            if ips
            else "provider.worker_ips is empty"
        )
    types = {name: kind for name, kind in file["available_node_types"].items() if name != file["head_node_type"]}
    if not any(kind.get("max_workers", 0) > 0 for kind in types.values()):
        return "no node type beside the head has max_workers above 0"
    return (
        "" if file.get("idle_timeout_minutes", 0) > 0 else "idle_timeout_minutes is missing: idle machines cost money"
    )


def _dashboard(file: File) -> str:
    told = re.search(r"--dashboard-host[= ](\S+)", _head_start(file))
    if told and told.group(1) not in ("127.0.0.1", "localhost"):
        return f"ray start listens on {told.group(1)}; use --dashboard-host=127.0.0.1 and ray attach -p 8265"
    return ""


def _uses_node_script(file: File, part: str, word: str) -> bool:
    return bool(re.search(rf"cluster/node\.sh {word}\b", _commands(file, part)))


def _token(file: File) -> str:
    if not any(str(there).endswith(".ray/auth_token") for there in file.get("file_mounts") or {}):
        return "file_mounts do not bring ~/.ray/auth_token to the nodes"
    asked = _uses_node_script(file, "setup_commands", "install") or "RAY_AUTH_MODE=token" in _commands(
        file, "setup_commands"
    )
    return "" if asked else "setup_commands neither call cluster/node.sh install nor set RAY_AUTH_MODE=token"


def _mlflow(file: File) -> str:
    servers = _commands(file, "head_start_ray_commands").count("mlflow server")
    servers += _uses_node_script(file, "head_start_ray_commands", "head")
    if _commands(file, "worker_start_ray_commands", "setup_commands").count("mlflow server"):
        return "workers start one too; runs would be scattered"
    if servers != 1:
        return f"it starts {servers}; call cluster/node.sh head once"
    if re.search(r"mlflow server(?!.*--allowed-hosts)", _commands(file, "head_start_ray_commands")):
        return "its server lacks --allowed-hosts"
    return ""


def _joins(file: File) -> str:
    joined = re.search(r"ray start .*--address=\$RAY_HEAD_IP:6379", _commands(file, "worker_start_ray_commands"))
    return "" if joined else "worker_start_ray_commands have no 'ray start --address=$RAY_HEAD_IP:6379'"


def _checkout(file: File) -> str:
    if "." not in (file.get("file_mounts") or {}).values():
        return "file_mounts do not hold the checkout ('.')"
    patterns = [str(pattern) for pattern in file.get("rsync_exclude") or []]
    if hits := [pattern for pattern in patterns if _leaves_out_our_code(pattern)]:
        return f"rsync_exclude {hits[0]} also leaves out folders of dta_bench; write /{hits[0]}, the checkout's own"
    missing = EXCLUDED - {pattern.removeprefix("/") for pattern in patterns}
    return f"rsync_exclude lacks {', '.join(f'/{name}' for name in sorted(missing))}" if missing else ""


def _leaves_out_our_code(pattern: str) -> bool:
    """Whether an rsync pattern without a leading slash, which matches at any depth, matches a part of this package."""
    names = {path.name for path in plugins.PACKAGE.rglob("*") if path.name != "__pycache__" and path.suffix != ".pyc"}
    return "/" not in pattern and any(fnmatch.fnmatch(name, pattern) for name in names)


def _pinned(file: File) -> str:
    text = _commands(file, "setup_commands", "head_setup_commands", "worker_setup_commands")
    installs = re.findall(r"pip3? install ([^&;|\n]*)", text)
    free = [line.strip() for line in installs if not re.search(r"(-c|--constraint)[ =]\S*constraints\.txt", line)]
    return f"pip install {free[0]} has no -c constraints.txt: it takes what is newest on the day" if free else ""


def _settings(file: File) -> str:
    text = _commands(file, "setup_commands")
    missing = [n for n in ("DTA_BENCH_OUT", "DTA_BENCH_ROOT", "DTA_BENCH_ARTIFACTS") if f"{n}=" not in text]
    return f"setup_commands do not set {', '.join(missing)}" if missing else ""
