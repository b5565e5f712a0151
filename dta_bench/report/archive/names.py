"""Which benchmarks a name on the command line stands for."""

from __future__ import annotations

from dta_bench import plugins
from dta_bench.data.suite_plugin import suite_plugin
from dta_bench.spec import search_space_file


def benchmarks_of(name: str) -> list[str]:
    """The benchmarks of a suite's pairs, the benchmark of a search space, or the benchmark itself.

    Raises:
        UserError: there is nothing of this name.
    """
    name = plugins.composed(name)
    if plugins.is_suite(name):
        suite = suite_plugin(name)
        return [suite.benchmark(pair) for pair in suite.file.possible_pairs()]
    if name in plugins.names("search_space"):
        return [search_space_file.benchmark_of(name)]
    plugins.path("benchmark", name)
    return [name]
