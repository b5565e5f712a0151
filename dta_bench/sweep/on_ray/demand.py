"""What a sweep may ask of its cluster: machines that are not there yet, and patience while none of them is."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

BOOTSTRAP = Path("~/ray_bootstrap_config.yaml")
"""Where ``ray up`` leaves the cluster file on the head, for Ray's autoscaler."""
PENDING = "TUNE_MAX_PENDING_TRIALS_PG"
"""How many runs Tune lets wait for a place; only these are seen by the autoscaler. With a searcher Tune's own is 1."""
FIRST_SECONDS, AGAIN_SECONDS = 30.0, 60.0


def most_of_file(path: Path = BOOTSTRAP) -> dict[str, float]:
    """What the workers of the cluster file offer when all of them are there; empty where no machines come and go.

    A sweep that is started on another machine than the head does not see the file.
    """
    try:
        file: Any = yaml.safe_load(path.expanduser().read_text(encoding="utf-8"))
        kinds = {name: kind for name, kind in file["available_node_types"].items() if name != file["head_node_type"]}
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, AttributeError):
        return {}
    if file.get("provider", {}).get("type") == "local":  # all of them are started at once
        return {}
    limit, most = int(file.get("max_workers", 0)), dict[str, float]()
    for kind in kinds.values():
        count = min(limit, int(kind.get("max_workers", limit)))
        for resource, amount in (kind.get("resources") or {}).items():
            most[resource] = most.get(resource, 0.0) + count * float(amount)
    return most


def expected_resources() -> dict[str, float]:
    """Of each resource what the cluster has, or will have when all machines of its file are there."""
    import ray

    here, most = ray.cluster_resources(), most_of_file()
    return {kind: max(float(here.get(kind, 0)), most.get(kind, 0.0)) for kind in {*here, *most}}


def room(per_run: Mapping[str, float], resources: Mapping[str, float]) -> int:
    """How many runs fit, if each resource is in one piece."""
    fits = [int(resources.get(kind, 0.0) // amount) for kind, amount in per_run.items() if amount]
    return min(fits, default=0)


def has_room(per_run: Mapping[str, float]) -> bool:
    """Whether the machines that are there now could train a run, if they had no others."""
    import ray

    return room(per_run, ray.cluster_resources()) > 0


class Patience:
    """Says when it is time to tell that nothing happens: after half a minute, then every minute.

    Args:
        now: seconds of a clock that only goes forward.
    """

    def __init__(self, now: float | None = None) -> None:
        self._next = (time.monotonic() if now is None else now) + FIRST_SECONDS

    def restart(self, now: float | None = None) -> None:
        """Something has happened."""
        self._next = (time.monotonic() if now is None else now) + FIRST_SECONDS

    def is_over(self, now: float | None = None) -> bool:
        """Whether it is time; the next time is a minute later."""
        now = time.monotonic() if now is None else now
        if now < self._next:
            return False
        self._next = now + AGAIN_SECONDS
        return True


def describe_waiting(per_run: Mapping[str, float]) -> str:
    """The sentence for a sweep of which no run finds a place: what a run asks for, and what there is."""
    import ray

    here, most = ray.cluster_resources(), most_of_file()
    asked = _listed(per_run)
    there = " and ".join(f"{here.get(kind, 0):g} {kind}s" for kind, amount in per_run.items() if amount)
    sentence = f"no run has found a place yet: each asks for {asked}, and the cluster has {there}"
    if room(per_run, here):
        return f"{sentence}, which may be spread over machines or taken by others; ray status on the head says more"
    if room(per_run, most):
        return f"{sentence}; machines are asked for, and ray status on the head says what becomes of them"
    if not most:
        return f"{sentence}; add machines to it, or give smaller --gpus-per-run or --cpus-per-run"
    return f"{sentence}, and no machine of its file offers more; give smaller --gpus-per-run or --cpus-per-run"


def _listed(resources: Mapping[str, float]) -> str:
    return " and ".join(
        f"{amount:g} {kind}{'' if amount == 1 else 's'}" for kind, amount in resources.items() if amount
    )
