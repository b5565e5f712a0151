"""Which networks a sweep keeps under ``--keep-networks chosen``: those of each method's best configuration.

Every run keeps its network when it ends. One is removed as soon as its configuration is beaten: all its seeds are done,
and so are those of a better one of the same method and backbone. After the last run all others are removed, too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypedDict

import numpy as np

from dta_bench.run.workspace import KEEP_TAG, Keep
from dta_bench.spec.plan import Plan
from dta_bench.spec.run_spec import RunSpec
from dta_bench.sweep.confirmation import chosen_configurations, reported_runs
from dta_bench.sweep.planned_plugins import size_in_bytes
from dta_bench.sweep.run_queue import point_key
from dta_bench.tracking import TrackedRun, Tracker, standing_runs

if TYPE_CHECKING:
    from rich.console import Console


@dataclass
class KeptNetworks:
    """The finished runs of a sweep, by configuration, while it works.

    Attributes:
        removed: networks that were removed.
        not_removed: networks that the store did not remove, each by the run's MLflow id with the reason.
    """

    plan: Plan
    tracker: Tracker
    removed: int = 0
    not_removed: dict[str, str] = field(default_factory=dict)
    _ended: dict[str, tuple[float, str]] = field(default_factory=dict)
    """Identity → score on the labelled subset, and MLflow id if its network may be removed, else an empty string."""

    def show_earlier(self) -> None:
        """Count the runs that an earlier start has done."""
        if not self.plan.label_subset.is_there:
            return
        for run in _finished(self.plan, self.tracker, {run.id for run in self.plan.runs}):
            self._ended[run.run_id] = (_score(self.plan, run), run.mlflow_run_id if _may_go(run) else "")

    def run_ended(self, run_id: str, score: float, mlflow_run_id: str) -> None:
        """Note a run that is done, and remove the networks of configurations that are beaten now.

        Without a labelled subset nothing is beaten before the last run.
        """
        if not self.plan.label_subset.is_there:
            return
        self._ended[run_id] = (score, mlflow_run_id)
        for beaten in beaten_runs(self.plan, {run: ended[0] for run, ended in self._ended.items()}):
            if beaten_id := self._ended.pop(beaten)[1]:
                self._remove(beaten_id)

    def remove_others(self) -> None:
        """After the last run: keep the networks of what is chosen of each method on each backbone, of all its seeds."""
        chosen = {point_key(spec) for spec in chosen_configurations(self.plan, self.tracker)}
        for run in _finished(self.plan, self.tracker, reported_runs(self.plan)):
            if point_key(run.spec) not in chosen and _may_go(run):
                self._remove(run.mlflow_run_id)

    def _remove(self, mlflow_run_id: str) -> None:
        from dta_bench.run.network_file import NAME  # imports torch

        try:
            self.removed += self.tracker.remove_file(mlflow_run_id, NAME)
        except Exception as error:  # stores and servers refuse in many ways; a file more is no reason to lose a sweep
            self.not_removed[mlflow_run_id] = str(error).splitlines()[0]

    def print_not_removed(self, console: Console) -> None:
        """Tell how many networks the store did not remove, and why not the first of them."""
        if self.not_removed:
            reason = next(iter(self.not_removed.values()))
            console.print(
                f"note: {len(self.not_removed)} networks that are not chosen stay in the store, which does not remove "
                f"files: {reason}", highlight=False, soft_wrap=True, markup=False,
            )  # fmt: skip


def _finished(plan: Plan, tracker: Tracker, ours: Collection[str]) -> list[TrackedRun]:
    standing = standing_runs(tracker.runs(plan.file.benchmark))[0]
    return [run for run in standing if run.run_id in ours and run.status == "FINISHED"]


def _score(plan: Plan, run: TrackedRun) -> float:
    return run.metrics[f"validation/{plan.benchmark.headline}"]


def _may_go(run: TrackedRun) -> bool:
    """Whether its network was kept in case it is chosen; what a user asked to keep stays."""
    return run.tags.get(KEEP_TAG) == "chosen"


def beaten_runs(plan: Plan, scores: dict[str, float]) -> set[str]:
    """The runs of configurations that are complete, and worse than another complete one of the same method.

    Args:
        scores: identity → score on the labelled subset, of the finished runs.
    """
    beaten = set[str]()
    for configurations in _by_method(plan, scores):
        means = [(_mean(scores, runs), runs) for runs in configurations if len(runs) == len(plan.seeds)]
        best = max((mean for mean, _ in means), default=0.0)
        beaten |= {run for mean, runs in means if mean < best for run in runs}
    return beaten


def _mean(scores: dict[str, float], runs: Iterable[str]) -> float:
    return float(np.mean([scores[run] for run in runs]))


def _by_method(plan: Plan, scores: dict[str, float]) -> list[list[list[str]]]:
    """A list for each method on each backbone, and in it a list for each configuration."""
    planned = {run.id: run for run in plan.runs}
    groups: dict[tuple[str, str], dict[str, list[str]]] = {}
    for run in (planned[run_id] for run_id in scores):
        groups.setdefault((run.method, run.backbone), {}).setdefault(point_key(run), []).append(run.id)
    return [list(configurations.values()) for configurations in groups.values()]


class Sizes(TypedDict):
    """What a complete sweep keeps of networks.

    Attributes:
        keep: which of them.
        networks: how many at the end, at most.
        bytes: of all of these; some methods keep modules of their own beside the backbone.
        bytes_of_one: by backbone.
    """

    keep: Keep
    networks: int
    bytes: int
    bytes_of_one: dict[str, int]


def expected_sizes(plan: Plan, keep: Keep, confirmation: Sequence[RunSpec]) -> Sizes:
    """How much a complete sweep keeps; nothing is trained, and networks are built without values.

    Args:
        confirmation: the runs that will confirm what is chosen.
    """
    size = plan.benchmark.for_training(plan.training).train_size
    classes = len(plan.benchmark.classes)
    of_one = {name: size_in_bytes(name, size, classes) for name in plan.backbones}
    kept = [
        *{"all": plan.runs, "chosen": _first_of_each(plan)}.get(keep, ()),
        *(confirmation if keep != "none" else ()),
    ]
    return Sizes(keep=keep, networks=len(kept), bytes=sum(of_one[run.backbone] for run in kept), bytes_of_one=of_one)


def describe_sizes(sizes: Sizes) -> str:
    """The same in one sentence."""
    each = ", ".join(f"{name} {_megabytes(count)}" for name, count in sizes["bytes_of_one"].items())
    if not sizes["networks"]:
        return f"no network is kept (one of {each})"
    until = "; while it works, also those that may still be chosen" if sizes["keep"] == "chosen" else ""
    which = "all runs" if sizes["keep"] == "all" else "each method's best configuration"
    return f"networks of {which} are kept: {sizes['networks']}, about {_megabytes(sizes['bytes'])} ({each} each){until}"


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count < 1e9 else f"{count / 1e9:.1f} GB"


def _first_of_each(plan: Plan) -> list[RunSpec]:
    """As many runs as a complete sweep keeps networks of: a configuration of each method on each backbone."""
    first: dict[tuple[str, str], str] = {}
    return [run for run in plan.runs if first.setdefault((run.method, run.backbone), point_key(run)) == point_key(run)]
