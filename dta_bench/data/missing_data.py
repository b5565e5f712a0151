"""What can be seen to be missing of a benchmark's data without reading any: files, or whole folders."""

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
        plugin = benchmark_plugin(name)
        folders, files = [one.path for one in plugin.folders(root)], plugin.files(root)
    except UserError:  # what cannot be read is there; the sweep says what is wrong with it
        return ""
    absent = [("folder", path) for path in folders if not path.is_dir()]
    absent += [("file", path) for path in files if not path.exists()]
    if not absent:
        return ""
    kind, first = absent[0]
    return f"no {kind} {first}{f', and {len(absent) - 1} more' if len(absent) > 1 else ''}"
