"""``dta-bench check``: check one plug-in, or a cluster file, against its contract, and say in words what fails."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dta_bench.check.backbone import check_backbone
from dta_bench.check.benchmark import check_benchmark
from dta_bench.check.cluster import check_cluster
from dta_bench.check.findings import Findings
from dta_bench.check.method import check_method
from dta_bench.check.search_space import check_search_space
from dta_bench.errors import UserError

KINDS: dict[str, Callable[[str, Path], Findings]] = {
    "backbone": lambda name, _: check_backbone(name),
    "method": lambda name, _: check_method(name),
    "benchmark": check_benchmark,
    "search-space": lambda name, _: check_search_space(name),
    "cluster": lambda name, _: check_cluster(name),
}


def check(kind: str, name: str, root: Path) -> Findings:
    """Check one plug-in, or a cluster file, against its contract.

    Args:
        kind: backbone, method, benchmark, search-space, or cluster (then ``name`` is a file).
        root: the folder of the data; only the check of a benchmark looks there.

    Raises:
        UserError: no such kind or plug-in, or its file does not run.
    """
    if kind not in KINDS:
        raise UserError(f"there is nothing of kind {kind!r} to check; allowed: {', '.join(KINDS)}")
    return KINDS[kind](name, root)
