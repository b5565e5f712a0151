"""A GPU that is pretended in the workers of a Ray: torch measures on the CPU what it would measure there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

FOLDER = Path("/mnt/cloud")
DRIVER = "driver"
"""While this file lies in the cloud's folder, new workers' torch seems to be able to use the GPU."""
MEMORY = 8 * 2**30
SITE = """import sys

if any("default_worker" in word for word in sys.orig_argv):
    import pretended_gpu

    pretended_gpu.install()
"""
"""The sitecustomize.py of the machines."""


def install() -> None:
    """Let this process seem to have a GPU."""
    from dta_bench.sweep.on_ray import gpu_share, node_check

    truth = node_check.gpus_out_of_reach
    node_check.gpus_out_of_reach = lambda counted: "" if (FOLDER / DRIVER).exists() else truth(counted)
    gpu_share.measure_memory = measure_memory


def measure_memory(job: dict[str, Any]) -> tuple[int, int]:
    """As the real one, on the CPU; the memory of the GPU is invented."""
    import torch

    from dta_bench.sweep.on_ray import gpu_share, worker

    worker.enter_working_directory(job)
    cpu = torch.device("cpu")
    return max(gpu_share.bytes_of_run(network, job["training"], cpu) for network in job["networks"]), MEMORY
