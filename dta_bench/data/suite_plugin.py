"""A suite's file as one typed record: its pairs, and which of them have their data."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dta_bench import plugins
from dta_bench.benchmarks import _suite, _suite_file
from dta_bench.benchmarks._suite import DomainParts
from dta_bench.benchmarks._suite_file import SuiteFile, SuitePair
from dta_bench.data.benchmark_plugin import suite_file
from dta_bench.errors import UserError
from dta_bench.spec.declared_method import declared_method
from dta_bench.spec.run_spec import RunSpec

__all__ = ["DomainParts", "Suite", "SuitePair", "shared_training", "suite_of_benchmark", "suite_plugin"]

OF_TARGET = ("benchmark", "label_subset")
"""The fields of a spec that say which target a run has, and which of its labels are known."""


@dataclass(frozen=True)
class Suite:
    """What a suite's file says."""

    name: str
    path: Path
    file: SuiteFile

    @property
    def summary(self) -> str:
        """The file's first comment line, which says what the suite is."""
        return plugins.summary("suite", self.name)

    def pairs(self, patterns: Sequence[str] = ()) -> list[SuitePair]:
        """The suite's pairs, or those that patterns like ``photo->*`` name, among all that its domains make.

        Raises:
            UserError: a pattern names no pair.
        """
        stated = self.file.all_pairs()
        if not patterns:
            return stated
        possible = self.file.possible_pairs()
        for pattern in patterns:
            if not _suite_file.matching([pattern], possible):
                raise UserError(
                    f"--pairs {pattern!r} names no pair of {self.name}; write SOURCE->TARGET with its domains "
                    f"({', '.join(self.file.domains)}), {_suite_file.OTHERS} as source for all others, or * for any"
                )
        return _suite_file.matching(list(patterns), possible)

    def pair_of(self, benchmark: str) -> SuitePair:
        """The pair that a benchmark of this suite is."""
        return next(pair for pair in self.file.possible_pairs() if pair.benchmark(self.name) == benchmark)

    def benchmark(self, pair: SuitePair) -> str:
        """The name of a pair's benchmark."""
        return pair.benchmark(self.name)

    def missing(self, pair: SuitePair, root: Path) -> str:
        """What is missing of a pair's data, in words; empty if they are there."""
        names = [*self.file.sources_of(pair), pair.target]
        return "; ".join(found for name in names if (found := self.missing_of(name, root)))

    def missing_of(self, domain: str, root: Path) -> str:
        """What is missing of a domain's data, in words; empty if they are there."""
        return _suite.missing(self.file, domain, _suite.folder_of(self.name, root))

    def read_domain(self, domain: str, root: Path) -> DomainParts:
        """The images of a domain, in its train part and its test part."""
        return _suite.read_domain(self.file, domain, _suite.folder_of(self.name, root))

    def labels(self, pair: SuitePair, root: Path) -> int:
        """The size of a pair's labelled subset, from the data where neither the file nor the owners' counts say it."""
        file, target = self.file, pair.target
        if file.labels is not None or file.count_of(target) is not None or self.missing_of(target, root):
            return file.labels_of(target, None)
        return file.labels_of(target, len(self.read_domain(target, root).all))


@dataclass(frozen=True)
class SourceOfPairs:
    """A domain of a suite as the source that a run is trained on, whatever the target.

    Attributes:
        fields: of the run's spec and of the suite, that its training depends on; plain values.
    """

    suite: Suite
    domain: str
    fields: dict[str, Any]

    def data_fingerprint(self, root: str) -> str:
        """The fingerprint of the domain's images."""
        return _fingerprint_of_domain(self.suite.name, self.domain, root)


@functools.lru_cache(maxsize=8)
def _fingerprint_of_domain(suite: str, domain: str, root: str) -> str:
    file, folder = suite_plugin(suite).file, _suite.folder_of(suite, Path(root))
    return _suite.fingerprint_of(file, {domain: _suite.read_domain(file, domain, folder)}, folder)


def shared_training(spec: RunSpec) -> SourceOfPairs | None:
    """The source that decides a run's training alone; None if the target has a part in it.

    So it is where the method has no loss on the target and the source, or a number, says how long an epoch is.
    """
    suite = suite_of_benchmark(spec.benchmark)
    if suite is None or not declared_method(spec.method).source_alone or spec.training.devices > 1:
        return None
    pair = suite.pair_of(spec.benchmark)
    is_long_as_target = suite.file.epoch_length in ("target", "larger") and not spec.training.iterations_per_epoch
    if pair.source == _suite_file.OTHERS or is_long_as_target:
        return None
    fields = {key: value for key, value in spec.identifying_fields().items() if key not in OF_TARGET}
    return SourceOfPairs(suite, pair.source, fields | {"suite": suite.name, "source": pair.source})


def suite_plugin(name: str) -> Suite:
    """The suite of this name.

    Raises:
        UserError: no such suite, its file says what cannot be, or a benchmark or a search space has its name.
    """
    name = plugins.composed(name)
    path = plugins.path("suite", name)
    plugins.is_suite(name)  # which refuses a name that is taken
    return Suite(name, path, suite_file(path))


def suite_of_benchmark(benchmark: str) -> Suite | None:
    """The suite that a benchmark is a pair of; None for a benchmark with a file of its own."""
    name = plugins.suite_of(benchmark)
    return suite_plugin(name) if name else None
