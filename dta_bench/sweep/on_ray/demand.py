"""What a sweep may ask of its cluster: machines that are not there yet, and patience while none of them is."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from dta_bench.sweep.on_ray.autoscaler_report import autoscaler_says

BOOTSTRAP = Path("~/ray_bootstrap_config.yaml")
"""Where ``ray up`` leaves the cluster file on the head, for Ray's autoscaler."""
PENDING = "TUNE_MAX_PENDING_TRIALS_PG"
"""How many runs Tune lets wait for a place; only these are seen by the autoscaler. With a searcher Tune's own is 1."""
FIRST_SECONDS, AGAIN_SECONDS = 30.0, 60.0


def workers_of_file(path: Path = BOOTSTRAP) -> tuple[int, dict[str, Any]]:
    """How many machines the cluster file allows, and its kinds of workers; 0 where no machines come and go.

    A sweep that is started on another machine than the head does not see the file.
    """
    try:
        file: Any = yaml.safe_load(path.expanduser().read_text(encoding="utf-8"))
        kinds = {name: kind for name, kind in file["available_node_types"].items() if name != file["head_node_type"]}
        if file.get("provider", {}).get("type") == "local":  # all of them are started at once
            return 0, {}
        return int(file.get("max_workers", 0)), kinds
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError):
        return 0, {}


def most_machines(path: Path = BOOTSTRAP) -> int | None:
    """How many workers there can be at once; None where no machines come and go."""
    limit, kinds = workers_of_file(path)
    return min(limit, sum(int(kind.get("max_workers", limit)) for kind in kinds.values())) or None


def most_of_file(path: Path = BOOTSTRAP) -> dict[str, float]:
    """What the workers of the cluster file offer when all are there; empty where no machines come and go."""
    limit, kinds = workers_of_file(path)
    most = dict[str, float]()
    for kind in kinds.values():
        count = min(limit, int(kind.get("max_workers", limit)))
        for resource, amount in (kind.get("resources") or {}).items():
            most[resource] = most.get(resource, 0.0) + count * float(amount)
    return most


@contextmanager
def asking_for_nodes(nodes: int, per_run: Mapping[str, float]) -> Iterator[None]:
    """Within the block the autoscaler is asked for so many machines, each with room for a run.

    It sees a placement group that waits, which dies with this process; what request_resources asks for would stay.
    """
    if not nodes:
        yield
        return
    from ray.util.placement_group import placement_group, remove_placement_group

    bundle = {kind: amount for kind, amount in per_run.items() if amount}
    group = placement_group([bundle] * nodes, strategy="STRICT_SPREAD")
    try:
        yield
    finally:
        remove_placement_group(group)


def expected_resources() -> dict[str, float]:
    """Of each resource what the cluster has, or will have when all machines of its file are there."""
    import ray

    here, most = ray.cluster_resources(), most_of_file()
    return {kind: max(float(here.get(kind, 0)), most.get(kind, 0.0)) for kind in {*here, *most}}


def room(per_run: Mapping[str, float], resources: Mapping[str, float]) -> int:
    """How many runs fit, if each resource is in one piece."""
    fits = [int(resources.get(kind, 0.0) // amount) for kind, amount in per_run.items() if amount]
    return min(fits, default=0)


def has_room(per_device: Mapping[str, float], devices: int = 1) -> bool:
    """Whether the machines that are there now could train a run, if they had no others."""
    import ray

    return fits(per_device, devices, [node["Resources"] for node in ray.nodes() if node["Alive"]])


def fits(per_device: Mapping[str, float], devices: int, machines: Iterable[Mapping[str, float]]) -> bool:
    """Whether machines have room for a run, whose devices may lie on several; one device needs one machine."""
    return sum(room(per_device, machine) for machine in machines) >= devices


def has_place(per_device: Mapping[str, float]) -> bool:
    """Whether a run on one device has a place, though its process may still be starting."""
    from ray.util import placement_group_table

    groups: Any = placement_group_table()
    wanted = {kind: amount for kind, amount in per_device.items() if amount}
    return any(group["state"] == "CREATED" and group["bundles"] == {0: wanted} for group in groups.values())


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


def describe_waiting(per_device: Mapping[str, float], devices: int = 1) -> str:
    """The sentence for a sweep of which no run finds a place: what a run asks for, and what there is."""
    import ray

    here, (limit, kinds) = ray.cluster_resources(), workers_of_file()
    there = " and ".join(f"{here.get(kind, 0):g} {kind}s" for kind, amount in per_device.items() if amount)
    on_each = f" on each of {devices} devices" if devices > 1 else ""
    sentence = f"no run has started yet: each asks for {_listed(per_device)}{on_each}, and the cluster has {there}"
    if has_room(per_device, devices):
        return f"{sentence}, which others may have taken; ray status on the head says more"
    offers = [kind.get("resources") or {} for kind in kinds.values() for _ in range(kind.get("max_workers", limit))]
    if fits(per_device, devices, offers):
        says = autoscaler_says() or "it says nothing of new machines, and ray status on the head may say more"
        return f"{sentence}; its autoscaler is asked for machines: {says}"
    smaller = "give fewer devices, or smaller --gpus-per-run or --cpus-per-run" if devices > 1 else (
        "give smaller --gpus-per-run or --cpus-per-run"
    )  # fmt: skip
    if not kinds:
        return f"{sentence}, no machine of it enough for a run; add machines to it, or {smaller}"
    return f"{sentence}, and no machine of its file offers enough; {smaller}"


def _listed(resources: Mapping[str, float]) -> str:
    return " and ".join(
        f"{amount:g} {kind}{'' if amount == 1 else 's'}" for kind, amount in resources.items() if amount
    )
