"""How many processes read images ahead for a run on a GPU that Ray gave it: its share of its node's CPUs."""

from __future__ import annotations

from collections.abc import Mapping


def readers_of_run() -> int | None:
    """The CPUs of this node for the GPU, or the part of one, that this worker has; None without a GPU."""
    import ray

    context = ray.get_runtime_context()
    share = context.get_assigned_resources().get("GPU", 0)
    if not share:
        return None
    here = [node for node in ray.nodes() if node["NodeID"] == context.get_node_id()]
    return readers_for(share, here[0]["Resources"]) if here else None


def readers_for(share: float, resources: Mapping[str, float]) -> int | None:
    """The CPUs of a node for a share of its GPUs, at least one.

    Args:
        share: GPUs of the run, such as 0.25.
        resources: what Ray counts on the node, by name.

    Returns:
        None where Ray counts no GPU.
    """
    gpus = resources.get("GPU", 0)
    if not gpus:
        return None
    return max(1, int(resources.get("CPU", 0) * share / gpus + 0.01))  # a third of a GPU is 0.3333
