"""What Ray's autoscaler says of the machines that a sweep waits for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

TIMEOUT = 5  # seconds that the head may take to answer
FAILURE = re.compile(r"(Failed to launch \d.*|Ray installation failed .*)$", re.MULTILINE)
"""The lines of the autoscaler's log that say why a machine does not come; its report has no reasons."""
LOG_TAIL = 200_000  # bytes of the log that are searched
LONGEST = 300  # characters of a reason that are told


def autoscaler_says() -> str:
    """Which machines are on their way and why others do not come, for the end of a sentence; empty if nothing."""
    import ray
    from ray.autoscaler.v2.sdk import get_cluster_status

    try:
        status = get_cluster_status(ray.get_runtime_context().gcs_address, timeout=TIMEOUT)
    except Exception as error:  # Ray's own kinds; a sweep does not end because a report is missing
        return f"its autoscaler does not answer ({str(error).splitlines()[0]})"
    if status.stats.autoscaler_version in (None, "0"):
        return "no autoscaler has reported; if there should be one, its log on the head is monitor.log of Ray's session"
    return describe(status, last_failure(_log_of_the_head()))


def describe(status: Any, failure: str = "") -> str:
    """A report in words.

    Args:
        status: Ray's ClusterStatus.
        failure: the last reason that the autoscaler's log gives, if it can be read here.
    """
    parts = [
        f"{count} {kind} {'is' if count == 1 else 'are'} {what}"
        for what, counts in (
            ("asked of the cloud", _count(status.pending_launches)),
            ("being installed", _count(status.pending_nodes)),
            ("refused by the cloud", _count(status.failed_launches)),
        )
        for kind, count in counts.items()
    ]
    if failure:
        parts.append(f"the last failure: {failure}")
    elif status.failed_launches:
        parts.append("the reason is in monitor.log of Ray's session on the head")
    return ", ".join(parts)


def _count(items: Iterable[Any]) -> Counter[str]:
    counts = Counter[str]()
    for item in items:
        counts[item.ray_node_type_name] += getattr(item, "count", 1)
    return counts


def last_failure(log: Path | None) -> str:
    """The last reason in the autoscaler's log why a machine does not come; empty if there is none."""
    try:
        with (log or Path()).open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - LOG_TAIL))
            found = FAILURE.findall(file.read().decode(errors="replace"))
    except OSError:
        return ""
    return found[-1][:LONGEST] if found else ""


def _log_of_the_head() -> Path | None:
    """The log, if this process runs on the head."""
    import ray

    node = ray._private.worker._global_node
    return Path(node.get_logs_dir_path(), "monitor.log") if node else None
