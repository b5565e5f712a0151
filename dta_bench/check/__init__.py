"""``dta-bench check``: check one plug-in, or a cluster file, against its contract, and say in words what fails."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dta_bench.check.findings import Findings
from dta_bench.errors import UserError


def _check_backbone(name: str, _: Path) -> Findings:
    from dta_bench.check.backbone import check_backbone

    return check_backbone(name)


def _check_method(name: str, _: Path) -> Findings:
    from dta_bench.check.method import check_method

    return check_method(name)


def _check_benchmark(name: str, root: Path) -> Findings:
    from dta_bench.check.benchmark import check_benchmark

    return check_benchmark(name, root)


def _check_search_space(name: str, _: Path) -> Findings:
    from dta_bench.check.search_space import check_search_space

    return check_search_space(name)


def _check_cluster(name: str, _: Path) -> Findings:
    from dta_bench.check.cluster import check_cluster

    return check_cluster(name)


KINDS: dict[str, Callable[[str, Path], Findings]] = {
    "backbone": _check_backbone,
    "method": _check_method,
    "benchmark": _check_benchmark,
    "search-space": _check_search_space,
    "cluster": _check_cluster,
}
"""Kind → its check; each is imported when it is asked for, so that a cluster file is checked without torch."""


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
