"""What a report keeps of single runs: curves, confusion matrices, cost, early ends, pictures and provenance."""

from __future__ import annotations

from dta_bench.report.document.frozen_record import Curve, FrozenRecord
from dta_bench.spec.run_spec import LabelSubset


class LabelledSubset(FrozenRecord):
    """The labelled subset of target train, and how often the compared runs asked for its labels."""

    size: int
    seed: int
    stratified: bool
    hash: str
    asked: int
    given: bool | None = None
    """Whether the user gave it instead of having it drawn; only where so."""

    @classmethod
    def of(cls, drawn: LabelSubset, hash: str, asked: int, size: int) -> LabelledSubset:
        """The record of a subset of ``size`` images, as drawn or given."""
        found = {"size": size, "seed": drawn.seed, "stratified": drawn.stratified, "hash": hash, "asked": asked}
        return cls.model_validate(found | ({"given": True} if drawn.given else {}))


class EarlyStop(FrozenRecord):
    """A run that a stop rule ended: after which epoch, and why."""

    epoch: int
    reason: str


class SeedCurves(FrozenRecord):
    """Learning curves of one run by metric."""

    seed: int
    mlflow_run_id: str
    metrics: dict[str, Curve]


class ConfusionMatrix(FrozenRecord):
    """Counts of target test, added over seeds; a row is a true class."""

    classes: list[str]
    counts: list[list[int]]


class MethodCost(FrozenRecord):
    """Median training time of a method's runs on one backbone and device; ratios are to source-only."""

    method: str
    backbone: str
    device: str
    runs: int
    seconds_a_run: float
    time_ratio: float | None
    flops_ratio: tuple[float, float] | None = None
    """Least and most FLOPs of all training steps of a run, its first stage included, in source-only runs."""


class Cost(FrozenRecord):
    """Training time of all compared runs; ``flops_counted`` runs had not noted their FLOPs themselves."""

    runs: int
    not_finished: int
    seconds: float
    gpu_hours: float
    flops_counted: int = 0
    by_method: list[MethodCost]


class EndedRun(FrozenRecord):
    """A run that did not simply finish: how it ended, after which epoch, and its curve on the labelled subset."""

    name: str
    method: str
    how: str
    mlflow_run_id: str
    reason: str
    epoch: int | None
    epochs: int
    curve: Curve
    since: int | None = None
    """The epoch from which on a run that collapsed predicts fewer than half of the classes of target train."""


class LeftOutRun(FrozenRecord):
    """A run that is not in the table."""

    run_id: str
    name: str
    method: str
    backbone: str


class LeftOut(FrozenRecord):
    """Runs that are not in the table, and in words what of their training, labels, budget or data differs."""

    differs: list[str]
    runs: list[LeftOutRun]


class Picture(FrozenRecord):
    """A PNG file of label maps."""

    path: str
    caption: str


class Provenance(FrozenRecord):
    """The distinct values that the compared runs recorded of commit, data, code, versions and device."""

    commit: list[str]
    data_fingerprint: list[str]
    code_fingerprint: list[str]
    versions: list[str]
    device: list[str]
