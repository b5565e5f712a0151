"""What a step costs in FLOPs, as a run notes it and the report says it."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
from small_runs import spec_of

from dta_bench.cost import flop_counts, measure, step
from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.errors import UserError
from dta_bench.methods import dta
from dta_bench.nn import pretrained
from dta_bench.spec.method_plugin import method_plugin
from dta_bench.spec.run_spec import RunSpec


def spec_with(method: str, **params: object) -> RunSpec:
    return dataclasses.replace(spec_of("source_only"), method=method, params=params)


def ratio_of(spec: RunSpec) -> float:
    return flop_counts.flops_ratio(spec, method_plugin(spec.method), benchmark_of(spec.benchmark))


def test_source_only_is_the_measure() -> None:
    assert ratio_of(spec_with("source_only")) == 1


def test_it_is_the_ratio_that_profile_counts_at_another_batch_size() -> None:
    spec = spec_with("dta", lambda_3=0.0)
    benchmark = benchmark_of(spec.benchmark)
    found = pretrained.backbone(spec.backbone, benchmark.image_size)
    meta_network = found.build(len(benchmark.classes)).to("meta")
    batch = step.BatchShape("classification", len(benchmark.classes), 16, found.channels, benchmark.image_size)
    whole, base = (
        measure.flops(meta_network, case, batch)
        for case in (step.ConfiguredMethod(method_plugin("dta"), dta.Params(lambda_3=0.0)), step.SOURCE_ONLY)
    )
    assert ratio_of(spec) == pytest.approx(whole / base, rel=0.02)


def test_a_weight_changes_nothing_and_a_term_that_is_on_costs() -> None:
    without, weak, strong = (ratio_of(spec_with("dta", lambda_3=w, epsilon=3.5)) for w in (0.0, 0.1, 0.2))
    assert without < weak
    assert weak == strong


def test_each_repeat_of_a_phase_costs_also_where_it_is_told_as_a_float() -> None:
    two, three, four = (ratio_of(spec_with("mcd", repeats=n)) for n in (2, 3.0, 4.0))
    assert three - two == pytest.approx(four - three)
    assert two < three


def test_a_method_that_freezes_weights_leaves_the_next_ones_count_alone() -> None:
    flop_counts._COUNTS.clear()
    alone = ratio_of(spec_with("adr"))
    flop_counts._COUNTS.clear()
    ratio_of(spec_with("shot"))
    assert ratio_of(spec_with("adr")) == alone


def test_parameters_that_a_method_no_longer_takes_are_said() -> None:
    with pytest.raises(UserError, match="mcd does not take this run's parameters"):
        ratio_of(spec_with("mcd", repeats="often"))


def test_a_method_that_fails_is_said_and_not_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "methods").mkdir()
    (tmp_path / "methods" / "torn.py").write_text(
        '"""Torn."""\nfrom dataclasses import dataclass\n\n@dataclass(frozen=True)\nclass Params:\n    pass\n\n'
        'def loss(net, source, target, epoch, params):\n    raise ValueError("torn apart")\n'
    )
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="a step of torn fails: ValueError: torn apart"):
        ratio_of(spec_with("torn"))


READS_VALUES = '''"""A step that compares values."""
import torch
from dataclasses import dataclass

@dataclass(frozen=True)
class Params:
    pass

def loss(net, source, target, epoch, params):
    logits = net(source.images)
    equal = torch.equal(logits, logits)  # aten::equal does not exist on the meta device
    task = torch.nn.functional.cross_entropy(logits, source.labels) * (1.0 if equal else 2.0)
    return {"total": task, "task": task}
'''


def test_a_step_that_the_meta_device_cannot_run_is_counted_on_the_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "methods").mkdir()
    (tmp_path / "methods" / "reader.py").write_text(READS_VALUES)
    monkeypatch.chdir(tmp_path)
    assert ratio_of(spec_with("reader")) == pytest.approx(1)


def test_a_report_needs_no_torch() -> None:
    """Torch alone takes more memory than the report of 500 runs."""
    script = (
        "import sys\nfrom dta_bench.data.benchmark_plugin import benchmark_of\nfrom dta_bench.report import command\n"
        "from dta_bench.spec import search_space_file\n"
        "search_space_file.benchmark_of('fonts_digits')\nbenchmark_of('fonts_digits')\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
