"""What can be seen to be missing of a benchmark's data without reading any: files of a suite, or whole folders."""

from __future__ import annotations

from pathlib import Path

from dta_bench.data.benchmark_plugin import benchmark_plugin
from dta_bench.data.suite_plugin import suite_of_benchmark
from dta_bench.errors import UserError


def missing_data(name: str, root: Path) -> str:
    """What is missing of a benchmark's data, in words; empty if nothing is, or if only reading them would tell.

    Args:
        name: the benchmark.
        root: the data root.
    """
    if (suite := suite_of_benchmark(name)) is not None:
        return suite.missing(suite.pair_of(name), root)
    try:
        absent = [one.path for one in benchmark_plugin(name).folders(root) if not one.path.is_dir()]
    except UserError:  # what cannot be read is there; the sweep says what is wrong with it
        return ""
    others = f", and {len(absent) - 1} more" if len(absent) > 1 else ""
    return f"no folder {absent[0]}{others}" if absent else ""
