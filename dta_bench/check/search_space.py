"""The contract of a search space: its file, its points, and the backbones that it names."""

from __future__ import annotations

from dta_bench import plugins
from dta_bench.check.findings import Findings
from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.nn import pretrained
from dta_bench.spec import search_space_file
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.plan import Options
from dta_bench.sweep.choose_runs import make_plan


def check_search_space(name: str) -> Findings:
    """Check a search-space file, the points of its space, and the backbones that it names.

    Raises:
        UserError: there is no such file, or it has errors; all of them are said at once.
    """
    file, findings = search_space_file.read(name), Findings()
    benchmark = benchmark_of(file.benchmark)
    findings.expect(
        "it opens with what it reproduces", lambda: "" if plugins.summary("search_space", name) else "no comment"
    )

    def lists_runs() -> str:
        plan = make_plan(name, file, Options(backbones=tuple(file.backbones)))
        return "" if plan.runs else "it has no runs"

    findings.expect("its points can be listed for every method and backbone that it names", lists_runs)
    for backbone in file.backbones:
        findings.expect(f"{backbone} can be built for {benchmark.name}", lambda b=backbone: _builds(b, benchmark))  # type: ignore[misc]
    return findings


def _builds(backbone: str, benchmark: Benchmark) -> str:
    pretrained.backbone(backbone, benchmark.image_size).build(len(benchmark.classes))
    return ""
