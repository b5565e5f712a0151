"""The contracts of benchmarks and search spaces."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dta_bench import plugins
from dta_bench.check.findings import Findings
from dta_bench.data import prepare
from dta_bench.data.augment import Augmentation
from dta_bench.data.benchmark_plugin import BenchmarkPlugin, benchmark_of, benchmark_plugin
from dta_bench.errors import UserError
from dta_bench.nn import pretrained
from dta_bench.spec import search_space_file
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.plan import Options
from dta_bench.sweep.choose_runs import make_plan


def check_benchmark(name: str, root: Path) -> Findings:
    """Its definition; and its data, where they lie under ``root``.

    Raises:
        UserError: there is no such benchmark, or its file does not run.
    """
    plugin, found = benchmark_plugin(name), Findings()
    found.law("it opens with a docstring", lambda: "" if plugin.docstring else "there is none")
    if not found.law("BENCHMARK is a Benchmark named like its file", lambda: _named(plugin.benchmark, name)):
        return found
    benchmark = plugin.benchmark
    found.law("its classes are two or more, and distinct", lambda: _classes(benchmark))
    found.law("its label budget is positive and says who set it", lambda: _budget(benchmark))
    found.law("its augmentation exists", lambda: _augmentation(benchmark))
    _data(plugin, root, found)
    return found


def _named(benchmark: Any, name: str) -> str:
    if not isinstance(benchmark, Benchmark):
        return f"it is a {type(benchmark).__name__}"
    return "" if benchmark.name == name else f"its name is {benchmark.name!r}"


def _classes(benchmark: Benchmark) -> str:
    classes = benchmark.classes
    return "" if len(set(classes)) == len(classes) > 1 else f"they are {', '.join(classes) or 'none'}"


def _budget(benchmark: Benchmark) -> str:
    if benchmark.label_budget < 1:
        return f"it is {benchmark.label_budget}"
    return "" if benchmark.label_budget_source else "label_budget_source is empty"


def _augmentation(benchmark: Benchmark) -> str:
    for domain in ("source", "target"):
        Augmentation(benchmark.augmentation, domain, benchmark.image_size)
    return ""


def _data(plugin: BenchmarkPlugin, root: Path, found: Findings) -> None:
    try:
        domains = plugin.load(root)
    except UserError as error:
        found.skipped.append(f"its data were not looked at: {error}")
        return
    except Exception as error:
        found.fails.append(f"load(root) gives Domains or a UserError: {type(error).__name__}: {error}")
        return
    found.law("its data are sound", lambda: "; ".join(prepare.inspect(plugin.benchmark, domains)["problems"]))


def check_search_space(name: str) -> Findings:
    """The file, the points of its space, and the backbones it names.

    Raises:
        UserError: there is no such file, or it cannot be read; says every error of the file.
    """
    file, found = search_space_file.read(name), Findings()
    benchmark = benchmark_of(file.benchmark)
    found.law("it opens with what it reproduces", lambda: "" if plugins.summary("search_space", name) else "no comment")

    def planned() -> str:
        plan = make_plan(name, file, Options(backbones=tuple(file.backbones)))
        return "" if plan.runs else "it has no runs"

    found.law("its points can be walked, for every method and backbone that it names", planned)
    for backbone in file.backbones:
        found.law(f"{backbone} can be built for {benchmark.name}", lambda b=backbone: _builds(b, benchmark))  # type: ignore[misc]
    return found


def _builds(backbone: str, benchmark: Benchmark) -> str:
    pretrained.backbone(backbone, benchmark.image_size).build(len(benchmark.classes))
    return ""
