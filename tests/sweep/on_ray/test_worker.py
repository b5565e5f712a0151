"""A worker's process has the name by which a node that will be taken away asks it to save."""

from pathlib import Path

from dta_bench.sweep.on_ray import worker

NODE_SCRIPT = Path(__file__).parents[3] / "cluster" / "node.sh"


def test_the_node_script_finds_the_processes_of_runs_by_the_name_that_ray_gives_them() -> None:
    name = worker.trainable(job={}, resources={"CPU": 1}).__name__
    assert f"'^ray::{name}'" in NODE_SCRIPT.read_text()
