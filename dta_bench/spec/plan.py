"""A sweep's finite space and the runs that were chosen of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.method_plugin import MethodPlugin
from dta_bench.spec.method_sets import MethodSets, method_sets
from dta_bench.spec.run_spec import LabelSubset, RunSpec, Training
from dta_bench.spec.search_space import RAMP, Point, SearchSpace
from dta_bench.spec.search_space_file import SearchSpaceFile
from dta_bench.spec.spelling import label_run

ALWAYS_THE_FILES = (RAMP, "start")
"""Parameters that go with a network and its training, not with a method's own sets."""

ALL = "all"
"""Stands for every method that does the benchmark's task and never sees a target label."""


@dataclass(frozen=True)
class Options:
    """What the command line may say of a sweep; None leaves the choice to the file.

    ``methods`` may hold :data:`ALL`; without ``points`` each method then gets as many as the smallest space has.
    """

    backbones: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    points: int | None = None
    seeds: int | None = None
    epochs: int | None = None
    labels: int | None = None
    weights: str = "none"
    training: tuple[str, ...] = ()
    search: str = "grid"
    stop: tuple[str, ...] = ("none",)
    label_seed: int | None = None
    labels_drawn: str | None = None


@dataclass(frozen=True)
class Plan:
    """A sweep's finite space: every combination that may run, and the runs that were chosen, in order."""

    name: str
    file: SearchSpaceFile
    benchmark: Benchmark
    method_plugins: Mapping[str, MethodPlugin] = field(repr=False)
    training: Training
    label_subset: LabelSubset
    weights: str
    backbones: tuple[str, ...]
    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    points: int
    runs: tuple[RunSpec, ...]
    search: str = "grid"
    stop: tuple[str, ...] = ("none",)

    def spec(self, backbone: str, method: str, seed: int, point: Point) -> RunSpec:
        """The run at one point: the method's defaults, then the file's row for the backbone, then the point."""
        return RunSpec(
            benchmark=self.file.benchmark, backbone=backbone, weights=self.weights, method=method,
            params=self.params(backbone, method, point), training=self.training,
            label_subset=self.label_subset, seed=seed,
        )  # fmt: skip

    def params(self, backbone: str, method: str, point: Point) -> Point:
        """All parameters of a run; those without effect at this point are zero (a ramp: its default), so that
        equal runs are equal."""
        defaults = self.defaults(method)
        merged: Point = defaults | self.row(backbone, method) | point
        space = self.space(method)
        inert = space.inert(merged) & set(space.sets)
        return {k: v if k not in inert else defaults[k] if k == RAMP else 0 for k, v in merged.items()}

    def defaults(self, method: str) -> Point:
        """Every parameter of a method with its default."""
        return self.method_plugins[method].defaults()

    def space(self, method: str) -> SearchSpace:
        """The method's own sets if it has some and the file is of another method; else those of the file."""
        own = self._own_sets(method)
        return own.space if own else self.file.space(set(self.defaults(method)))

    def row(self, backbone: str, method: str) -> Point:
        """What precedes a method's defaults: the row beside its own sets, else the file's row for the backbone.

        The ramp goes with the length of training, the start of masks with the network's own dropout: both are always
        the file's.
        """
        own, of_file = self._own_sets(method), self.file.row(backbone)
        row = own.row | {k: v for k, v in of_file.items() if k in ALWAYS_THE_FILES} if own else of_file
        known = self.defaults(method)
        return {k: v for k, v in row.items() if k in known}

    def first_point(self, backbone: str, method: str) -> Point:
        """The first row as a point of the method's space."""
        space = self.space(method)
        row = self.defaults(method) | self.row(backbone, method)
        return space.canonical({k: row[k] for k in space.sets})

    def _own_sets(self, method: str) -> MethodSets | None:
        return None if method == self.file.method else method_sets(method)

    def swept(self) -> tuple[str, ...]:
        """Names of the parameters that have more than one value."""
        sets = {k: v for method in self.methods for k, v in self.space(method).sets.items()}
        return tuple(name for name, values in sets.items() if len(values) > 1)

    def notes(self) -> list[str]:
        """What a reader should know before the first run: perturbations that round to nothing, ramps that never end."""
        found = []
        for backbone in self.backbones:
            row = self.file.row(backbone)
            ramp = float(row.get("ramp_up_epochs", 0) or 0)
            if ramp > self.training.epochs:
                share = self.training.epochs / ramp
                found.append(
                    f"{backbone}: the ramp of {ramp:g} epochs ends at {share:.2f} of delta after {self.training.epochs}"
                )
        return found

    def run_name(self, spec: RunSpec) -> str:
        """The run's name: its method and what differs, ``dta lambda_2=0.01 lambda_3=0.2 epsilon=15 seed=0``."""
        space = self.space(spec.method)
        inert = space.inert(spec.params)
        params = {k: spec.params[k] for k in self.swept() if k in space.sets and k not in inert}
        several_backbones = len(self.backbones) > 1
        return label_run(spec.method, params, backbone=spec.backbone if several_backbones else None, seed=spec.seed)
