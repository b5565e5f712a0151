"""The data of a benchmark, and the five sets of a run."""

from __future__ import annotations

import functools
from pathlib import Path

from dta_bench.data import check_label_maps, image_cache, manifest, splits, unreadable
from dta_bench.data.benchmark_plugin import benchmark_plugin
from dta_bench.domains.images import Domains, Splits
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.method_plugin import MethodPlugin
from dta_bench.spec.run_spec import RunSpec


@functools.lru_cache(maxsize=2)
def domains(benchmark: str, root: str, skip_unreadable: bool = False) -> Domains:
    """A benchmark's data, loaded once a process.

    Args:
        skip_unreadable: leave images out that cannot be read, instead of failing at the first.
    """
    loaded = benchmark_plugin(benchmark).load(Path(root))
    if not skip_unreadable:
        return loaded
    known = manifest.unreadable(benchmark, Path(root), loaded.fingerprint)
    return unreadable.left_out(loaded, known if known is not None else list(unreadable.find(loaded)))


def splits_of(
    spec: RunSpec, benchmark: Benchmark, method: MethodPlugin, root: str, skip_unreadable: bool = False
) -> Splits:
    """The five sets of a run; ``target_only`` is given the labelled target train as its source.

    Args:
        benchmark: under the run's training, so that images are kept at the size that the run wants.
    """
    loaded = domains(spec.benchmark, root, skip_unreadable)
    split = splits.split_supervised if method.uses_target_labels else splits.split
    return image_cache.kept(split(loaded, spec.label_subset), benchmark)


def check_labels(benchmark: Benchmark, root: str, skip_unreadable: bool = False) -> None:
    """Look at a benchmark's label maps, which are too many to read, before a run does.

    Raises:
        UserError: some do not fit their images, or hold what is no label.
    """
    check_label_maps.check(benchmark, domains(benchmark.name, root, skip_unreadable))
