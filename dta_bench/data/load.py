"""Load a benchmark's data and make the five sets of a run."""

from __future__ import annotations

import functools
from pathlib import Path

from dta_bench.data import check_label_maps, image_cache, manifest, splits, unreadable
from dta_bench.data.benchmark_plugin import benchmark_plugin
from dta_bench.data.notes_on_files import notes_on_files
from dta_bench.domains.images import Domains, Splits
from dta_bench.errors import UserError
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.method_plugin import MethodPlugin
from dta_bench.spec.run_spec import RunSpec


@functools.lru_cache(maxsize=2)
def domains(benchmark: str, root: str, skip_unreadable: bool = False) -> Domains:
    """Load a benchmark's data; a process loads them once.

    Args:
        benchmark: the benchmark's name.
        root: the data root.
        skip_unreadable: leave out images that cannot be read, instead of failing at the first.

    Raises:
        UserError: data are missing.
    """
    loaded = benchmark_plugin(benchmark).load(Path(root))
    if not skip_unreadable:
        return loaded
    known = manifest.unreadable(benchmark, Path(root), loaded.fingerprint)
    return unreadable.leave_out(loaded, known if known is not None else list(unreadable.find(loaded)))


def splits_of(
    spec: RunSpec, benchmark: Benchmark, method: MethodPlugin, root: str, skip_unreadable: bool = False
) -> Splits:
    """Make the five sets of a run; the upper bound ``target_only`` gets the labelled target train as its source.

    Args:
        spec: the run.
        benchmark: the benchmark :meth:`for the run's training <dta_bench.spec.benchmark.Benchmark.for_training>`, whose
            image size decides the size at which images are stored.
        method: the run's method.
        root: the data root.
        skip_unreadable: leave out images that cannot be read, instead of failing at the first.

    Raises:
        UserError: data or labels are missing, or none is left to measure on.
    """
    loaded = domains(spec.benchmark, root, skip_unreadable)
    split = splits.split_supervised if method.uses_target_labels else splits.split
    made = split(loaded, spec.label_subset)
    if made.target_test is not None and not len(made.target_test):
        raise UserError("the labelled subset takes all images of target test and leaves none to measure on")
    return image_cache.with_cache(made, benchmark)


def check_files(benchmark: Benchmark, root: str, skip_unreadable: bool = False) -> list[str]:
    """Check a benchmark's label maps before a run, without reading all of them.

    Returns:
        What a user should know of the files, a sentence each: what ``prepare`` found, or what some of them show, and
        how many label maps were looked at.

    Raises:
        UserError: some label maps do not fit their images, or hold numbers that are no label.
    """
    checked = check_label_maps.check(benchmark, domains(benchmark.name, root, skip_unreadable))
    return notes_on_files(benchmark.name, domains(benchmark.name, root), Path(root)) + checked
