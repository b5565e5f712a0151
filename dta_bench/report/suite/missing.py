"""Cells of a suite's table without a finished run, and the commands that fill them as the other runs were made."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dta_bench import plugins
from dta_bench.data.suite_plugin import Suite, SuitePair
from dta_bench.errors import UserError
from dta_bench.report.document.suite_report import MissingCell
from dta_bench.report.suite.chosen import PairChoice, Searched
from dta_bench.spec import search_space_file
from dta_bench.spec.run_spec import RunSpec
from dta_bench.spec.search_space_file import DEFAULT_OF_TASK
from dta_bench.spec.train_command import budget_options, training_options
from dta_bench.tracking import Tracker


def missing_cells(
    suite: Suite, stated: Sequence[SuitePair], choices: Sequence[PairChoice], root: Path, tracker: Tracker,
    places: str = "",
) -> list[MissingCell]:  # fmt: skip
    """Pairs without a run, then the cells of methods that other pairs have.

    Args:
        places: the options that lead a command to the same data and store, with a space before each.
    """
    there = {one.pair: one for one in choices}
    methods = dict.fromkeys(name for one in choices for name in one.methods)
    like = _like(suite, choices, root, tracker, places)
    found = [
        MissingCell(
            pair=pair.key, method=None, why=suite.missing(pair, root) or "not run", command=like.command(pair, methods)
        )
        for pair in stated
        if pair not in there
    ]  # fmt: skip
    return found + [
        MissingCell(pair=pair.key, method=name, why="not run", command=like.command(pair, [name]))
        for pair, one in there.items()
        for name in methods
        if name not in one.methods
    ]


@dataclass(frozen=True)
class _Like:
    """How most of the chosen runs of a suite were made.

    Attributes:
        space: the search space of their sweep; empty where it is the suite's own.
        labels: the size of their labelled subset where the suite states another one; else None.
        searched: how large their search was; of each method the most points that a pair has.
        places: the options that lead to the same data and store.
    """

    suite: Suite
    space: str
    spec: RunSpec
    labels: int | None
    searched: Searched
    places: str

    def command(self, pair: SuitePair, methods: Iterable[str]) -> str:
        """The sweep of some methods on one pair, as these runs were made."""
        spec, suite = self.spec, self.suite
        words = ["dta-bench", "sweep", self.space or suite.name] + ["--benchmark", suite.name] * bool(self.space)
        ordered = sorted(methods, key=lambda method: -self.searched.points[method])  # the first has all these points
        words += ["--pairs", f"{pair.source}->{pair.target}", "--method", ",".join(ordered)]
        words += ["--backbone", spec.backbone] + ["--weights", spec.weights] * (spec.weights != "none")
        words += ["--labels", str(self.labels)] * (self.labels is not None)
        words += self._size(ordered)
        own = search_space_file.read(self.space or suite.file.search_space or DEFAULT_OF_TASK[suite.file.task])
        training = own.training
        if isinstance(suite.file.epoch_length, int):
            training = training.model_copy(update={"iterations_per_epoch": suite.file.epoch_length})
        same_length = training.model_copy(update={"epochs": spec.training.epochs})
        words += ["--epochs", str(spec.training.epochs)] * (same_length != training)
        return (
            shlex.join(words + training_options(spec.training, same_length) + budget_options(spec, own)) + self.places
        )

    def _size(self, methods: Sequence[str]) -> list[str]:
        """The options that make a search of some methods as large as these were."""
        found, subset = self.searched, self.spec.label_subset
        first = ["--first-seed", str(found.first_seed)] * bool(found.first_seed)
        drawn = ["--labels-seed", str(subset.seed)] * bool(subset.seed)
        return [
            *drawn, "--points", str(max(found.points[method] for method in methods)), "--seeds", str(found.seeds),
            *first, "--confirm", str(found.confirm),
        ]  # fmt: skip


def _like(suite: Suite, choices: Sequence[PairChoice], root: Path, tracker: Tracker, places: str) -> _Like:
    """How most of the chosen runs were made: their search space, network, training and labelled subset."""
    alike: dict[tuple[str, str], list[tuple[PairChoice, RunSpec]]] = {}
    for one in choices:
        sweeps = tracker.sweeps(one.benchmark.name)
        for run in (run for configuration in one.methods.values() for run in configuration.runs):
            space = _space(sweeps.get(run.tracked.parent, ""), one.benchmark.name)
            alike.setdefault((space, run.spec.training.model_dump_json()), []).append((one, run.spec))
    (space, _), runs = max(alike.items(), key=lambda item: len(item[1]))
    choice, spec = runs[0]
    size = None if spec.label_subset.given else spec.label_subset.size
    labels = None if size == _stated_labels(suite, choice, root) else size
    return _Like(suite, space, spec, labels, _searched(choices), places)


def _searched(choices: Sequence[PairChoice]) -> Searched:
    """How large the search of most pairs was; of each method the most points that a pair has."""
    points = dict[str, int]()
    for one in choices:
        points |= {method: max(count, points.get(method, 0)) for method, count in one.searched.points.items()}
    sizes = Counter((one.searched.seeds, one.searched.first_seed, one.searched.confirm) for one in choices)
    return Searched(points, *sizes.most_common(1)[0][0])


def _space(sweep: str, benchmark: str) -> str:
    """The search space of a sweep of this name on a suite's pair; empty for the suite's own."""
    name = sweep.removesuffix(f"_{benchmark}")
    return name if name != sweep and name in plugins.names("search_space") else ""


def _stated_labels(suite: Suite, choice: PairChoice, root: Path) -> int | None:
    try:
        return suite.labels(choice.pair, root)
    except UserError:
        return None
