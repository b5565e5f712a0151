"""The contract of a benchmark: its definition, and its data if they are there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dta_bench.check.findings import Findings
from dta_bench.data import prepare
from dta_bench.data.augment import Augmentation
from dta_bench.data.benchmark_plugin import BenchmarkPlugin, benchmark_plugin
from dta_bench.errors import UserError
from dta_bench.spec.benchmark import Benchmark


def check_benchmark(name: str, root: Path) -> Findings:
    """Check a benchmark's definition, and its data if they are there.

    Args:
        root: the folder of all data.

    Raises:
        UserError: there is no such benchmark, or its file does not run.
    """
    plugin, findings = benchmark_plugin(name), Findings()
    findings.expect("it opens with a docstring", lambda: "" if plugin.docstring else "there is none")
    if not findings.expect("BENCHMARK is a Benchmark named like its file", lambda: _named(plugin.benchmark, name)):
        return findings
    benchmark = plugin.benchmark
    findings.expect("its classes are two or more, and distinct", lambda: _classes(benchmark))
    findings.expect("its label budget says who set it, and is positive", lambda: _budget(plugin))
    findings.expect("its augmentation exists", lambda: _augmentation(benchmark))
    _data(plugin, root, findings)
    return findings


def _named(benchmark: Any, name: str) -> str:
    if not isinstance(benchmark, Benchmark):
        return f"it is a {type(benchmark).__name__}"
    return "" if benchmark.name == name else f"its name is {benchmark.name!r}"


def _classes(benchmark: Benchmark) -> str:
    classes = benchmark.classes
    return "" if len(set(classes)) == len(classes) > 1 else f"they are {', '.join(classes) or 'none'}"


def _budget(plugin: BenchmarkPlugin) -> str:
    benchmark, may_be_none = plugin.benchmark, plugin.file.suffix == ".yaml"
    if benchmark.label_budget < (0 if may_be_none else 1):
        return f"it is {benchmark.label_budget}"
    return "" if benchmark.label_budget_source else "label_budget_source is empty"


def _augmentation(benchmark: Benchmark) -> str:
    for domain in ("source", "target"):
        Augmentation(benchmark.augmentation, domain, benchmark.image_size)
    return ""


def _data(plugin: BenchmarkPlugin, root: Path, findings: Findings) -> None:
    try:
        domains = plugin.load(root)
    except UserError as error:
        findings.skipped.append(f"its data were not looked at: {error}")
        return
    except Exception as error:
        findings.fails.append(f"load(root) gives Domains or a UserError: {type(error).__name__}: {error}")
        return
    findings.expect("its data are sound", lambda: "; ".join(prepare.inspect(plugin.benchmark, domains)["problems"]))
