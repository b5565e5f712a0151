"""A sweep's finite space, and the runs chosen from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.budget import Budget
from dta_bench.spec.identity import without_later_defaults
from dta_bench.spec.method_plugin import SOURCE_ONLY_EPOCHS, MethodPlugin
from dta_bench.spec.method_sets import MethodSets, method_sets, without_pixels
from dta_bench.spec.prompts import has_text_tower
from dta_bench.spec.run_spec import LabelSubset, RunSpec, Training
from dta_bench.spec.search_space import RAMP, Point, SearchSpace
from dta_bench.spec.search_space_file import SearchSpaceFile
from dta_bench.spec.seeds import confirmation_seeds
from dta_bench.spec.spelling import count_of, join_words, label_run

PARAMETERS_OF_THE_FILE = (RAMP, "start", SOURCE_ONLY_EPOCHS)
"""Parameters that belong to a network and its training, so that a method's own sets never replace them."""

ALL = "all"
"""Stands for every method that does the benchmark's task and never sees a target label, but those that are
``by_name_only``."""


@dataclass(frozen=True)
class Options:
    """What the command line says of a sweep; None, or an empty tuple, leaves the choice to the file.

    Attributes:
        methods: may hold :data:`ALL`; without ``points``, each method then gets as many as the smallest space has.
        points: number of points of each method's space.
        seeds: number of seeds of each point: 0, 1, 2, ..., or from ``first_seed`` on.
        first_seed: of the search; confirmation runs begin as far from 1000.
        labels: images in the labelled subset.
        weights: pretrained weights of the backbones; ``none`` for random ones.
        training: settings as ``key=value``.
        search: how points are proposed, see :mod:`dta_bench.sweep.sampler`.
        stop: stop rules, see :mod:`dta_bench.sweep.stop_rules`.
        label_seed: of the draw of the labelled subset.
        labels_drawn: how the labelled subset is drawn: ``random`` or ``stratified``.
        confirm: number of confirmation runs of what is chosen of each method; 0 for none.
        recipe: ``published``, or the name of a recipe.
        budget: as typed; None leaves it to the file.
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
    confirm: int | None = None
    recipe: str = ""
    budget: str | None = None
    first_seed: int = 0


@dataclass(frozen=True)
class Plan:
    """A sweep's finite space: every combination that may run, and the runs chosen from it.

    Attributes:
        name: of the search space, or of the benchmark whose default search space it is.
        method_plugins: the file's method, and those of the sweep, by name.
        methods: of the sweep, baselines last.
        points: how many points the first method has on the first backbone.
        wanted: how many points of each method the command line or the file asks for; None for all.
        runs: of the search, in the order in which they start.
        search: how points are proposed.
        stop: stop rules.
        recipe: the name of the recipe that a sweep follows; empty: none. If ``--training`` changes it, it is named so.
        confirm: number of confirmation runs of what is chosen of each method, and of each baseline.
        first_seed: of the search, from which the seeds of confirmation runs follow.
        budget: what all stages of a run together may train; empty: no budget.
        lengths: a run → the lengths of its stages under the budget, see :class:`dta_bench.spec.budget.Budget`.
        left_out: method of :data:`ALL` → why it is none of the sweep's.
    """

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
    confirm: int = 0
    first_seed: int = 0
    recipe: str = ""
    budget: str = ""
    lengths: Callable[[str, RunSpec], tuple[float, ...]] | None = field(default=None, repr=False)
    wanted: int | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)

    def training_of(self, method: str) -> Training:
        """Return a method's training: without what only others have.

        Baselines have none of the sweep's ``players``; a method without a pass of the target has nothing to join.
        """
        has_no_players = method in self.file.baselines or self.method_plugins[method].by_prompts
        own: dict[str, Any] = {"players": {}} if has_no_players else {}
        if self.method_plugins[method].source_alone and "batches" in self.training.batchnorm:
            own["batchnorm"] = {k: v for k, v in self.training.batchnorm.items() if k != "batches"}
        return self.training.model_copy(update=own) if own else self.training

    def runs_on(self, method: str, backbone: str) -> bool:
        """Whether a method can run on a backbone: one that predicts by prompts needs a text tower."""
        return not self.method_plugins[method].by_prompts or has_text_tower(backbone)

    def seeds_of(self, method: str) -> tuple[int, ...]:
        """Return the seeds of a method's search runs: 0 alone where nothing trains, as all would be equal."""
        return (0,) if self.method_plugins[method].by_prompts else self.seeds

    @property
    def confirmation_seeds(self) -> tuple[int, ...]:
        """The seeds of the sweep's confirmation runs."""
        return confirmation_seeds(self.confirm, self.first_seed)

    def spec(self, backbone: str, method: str, seed: int, point: Point) -> RunSpec:
        """Make the run at one point: the point over the file's row for the backbone over the method's defaults."""
        spec = RunSpec(
            benchmark=self.file.benchmark, backbone=backbone, weights=self.weights, method=method,
            params=without_later_defaults(self.params(backbone, method, point)), training=self.training_of(method),
            label_subset=self.label_subset, seed=seed,
        )  # fmt: skip
        if not self.budget:
            return spec
        assert self.lengths is not None
        return replace(spec, budget=Budget(of=self.budget, lengths=self.lengths(self.budget, spec)))

    def params(self, backbone: str, method: str, point: Point) -> Point:
        """Return all parameters of a run.

        Those without effect at this point are zero (a ramp has its default), so that equal runs have equal specs.
        """
        defaults = self.defaults(method)
        merged: Point = defaults | self.row(backbone, method) | point
        space = self.space(method)
        inert = space.inert(merged) & set(space.sets)
        return {k: v if k not in inert else defaults[k] if k == RAMP else 0 for k, v in merged.items()}

    def defaults(self, method: str) -> Point:
        """Return every parameter of a method with its default."""
        if method not in self._known_defaults:
            self._known_defaults[method] = self.method_plugins[method].defaults()
        return dict(self._known_defaults[method])

    def space(self, method: str) -> SearchSpace:
        """Return a method's search space: its own if it has one and the file is of another method, else the file's.

        Where the method takes the file's rows, their values are in its sets too. On features of a frozen network its
        own sets lack the values that need images.
        """
        if method not in self._known_spaces:
            self._known_spaces[method] = self._make_space(method)
        return self._known_spaces[method]

    @cached_property
    def _known_defaults(self) -> dict[str, Point]:
        """What is the same for every run of a method is worked out once: a plan may have thousands."""
        return {}

    @cached_property
    def _known_spaces(self) -> dict[str, SearchSpace]:
        return {}

    def _make_space(self, method: str) -> SearchSpace:
        own = self.own_sets(method)
        if own is None:
            return self.file.space(set(self.defaults(method)))
        space = self.own_space(own, method)
        return without_pixels(space, method) if self.training.tune == "head" else space

    def own_space(self, own: MethodSets, method: str) -> SearchSpace:
        """Return the space of a method's own sets, with the file's values in them where it takes the file's rows."""
        if not self._is_form_of_the_files(method):
            return own.space
        rows = [self.row(backbone, method) for backbone in self.backbones]
        sets = {name: tuple(dict.fromkeys([*own_values, *(row[name] for row in rows if name in row)]))
                for name, own_values in own.sets.items()}  # fmt: skip
        return SearchSpace(sets, own.active_when)

    def row(self, backbone: str, method: str) -> Point:
        """Return the parameters that replace a method's defaults: the row of its own sets, else the file's row.

        The ramp depends on the length of training, the start of masks on the network's own dropout: both are always
        the file's. A method that is a form of the file's method (``dta_released``) takes the file's whole row.
        """
        own, of_file = self.own_sets(method), self.file.row(backbone)
        taken = {k: v for k, v in of_file.items() if own is None or self.takes_row_of_file(k, method)}
        row = taken if own is None else own.row | taken
        known = self.defaults(method)
        return {k: v for k, v in row.items() if k in known}

    def takes_row_of_file(self, name: str, method: str) -> bool:
        """Whether a method with sets of its own takes this parameter from the file's row."""
        return name in PARAMETERS_OF_THE_FILE or self._is_form_of_the_files(method)

    def _is_form_of_the_files(self, method: str) -> bool:
        """Whether a method's file calls it a form of the file's method."""
        return self.method_plugins[method].form_of == self.file.method

    def first_point(self, backbone: str, method: str) -> Point:
        """Return the row as a point of the method's space; a sweep runs it first.

        Where a value of the row needs images and only features train, the first value that stays takes its place.
        """
        space, own = self.space(method), self.own_sets(method)
        row = self.defaults(method) | self.row(backbone, method)
        whole = space if own is None else self.own_space(own, method)
        lacking = {k for k, values in space.sets.items() if row[k] in whole.sets[k] and row[k] not in values}
        return space.canonical({k: values[0] if k in lacking else row[k] for k, values in space.sets.items()})

    def own_sets(self, method: str) -> MethodSets | None:
        """Return the sets of a method that is not the file's; None where it has none."""
        return None if method == self.file.method else method_sets(method)

    def swept(self) -> tuple[str, ...]:
        """Return the names of the parameters that have more than one value."""
        sets = {k: v for method in self.methods for k, v in self.space(method).sets.items()}
        return tuple(name for name, values in sets.items() if len(values) > 1)

    def points_by_method(self) -> dict[str, int]:
        """Return how many points each method has on the first backbone; without the file's baselines."""
        points = dict[str, set[str]]()
        for run in self.runs:
            if run.backbone == self.backbones[0] and not self._is_added_baseline(run.method):
                points.setdefault(run.method, set()).add(repr(sorted(run.params.items())))
        return {method: len(found) for method, found in points.items()} | {self.methods[0]: self.points}

    def equal_points(self) -> int | None:
        """Return the points that make all searches equal; None where they are, or where a number was asked for."""
        counts = {count for method, count in self.points_by_method().items() if self.space(method).sets}
        return min(counts) if self.wanted is None and len(counts) > 1 else None

    def _is_added_baseline(self, method: str) -> bool:
        """Whether it runs beside the methods that are swept; one that the user names first is swept itself."""
        return method in self.file.baselines and method != self.methods[0]

    def describe_points(self) -> str:
        """Say how many points each method has: ``3 points of dta and mcc, 1 point of shot``."""
        methods = dict[int, list[str]]()
        for method, count in self.points_by_method().items():
            methods.setdefault(count, []).append(method)
        return ", ".join(f"{count_of(count, 'point')} of {join_words(names)}" for count, names in methods.items())

    def run_name(self, spec: RunSpec) -> str:
        """Return the run's name: its method and what differs, ``dta lambda_2=0.01 lambda_3=0.2 epsilon=15 seed=0``."""
        space = self.space(spec.method)
        inert = space.inert(spec.params)
        params = {k: spec.params.get(k, 0) for k in self.swept() if k in space.sets and k not in inert}
        several_backbones = len(self.backbones) > 1
        return label_run(spec.method, params, backbone=spec.backbone if several_backbones else None, seed=spec.seed)
