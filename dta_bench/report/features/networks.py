"""A run's final network back in memory, and the source-only run that stands beside it."""

from __future__ import annotations

from dataclasses import dataclass

from dta_bench.evaluation.evaluator import Evaluator
from dta_bench.nn.network import Network
from dta_bench.report.predictions.stored_network import load_stored
from dta_bench.run.workspace import Workspace
from dta_bench.spec.run_spec import RunSpec
from dta_bench.spec.spelling import spell_method
from dta_bench.tracking import TrackedRun, Tracker, standing_runs


@dataclass(frozen=True)
class TrainedRun:
    """A finished run with its network, in evaluation mode on the CPU."""

    run: TrackedRun
    network: Network
    evaluator: Evaluator

    @property
    def name(self) -> str:
        """The run's name in a figure."""
        return spell_method(self.run.spec.method)


def load_trained(workspace: Workspace, run: TrackedRun) -> TrainedRun:
    """Build a run's network anew, and fill it with the weights that the run kept.

    Raises:
        UserError: the run is not finished, or kept no network.
    """
    loaded = load_stored(workspace, run)
    card = loaded.card
    device = next(loaded.network.parameters()).device
    evaluator = Evaluator(loaded.network, card.benchmark, card.channels, 2 * run.spec.training.batch_size, device)
    return TrainedRun(run, loaded.network, evaluator)


def find_source_only(tracker: Tracker, run: TrackedRun) -> TrackedRun | None:
    """The source-only run of the same benchmark, backbone, weights, training and seed, if it is finished."""

    def setting(spec: RunSpec) -> tuple[object, ...]:
        budget = spec.budget and spec.budget.of
        return spec.backbone, spec.weights, spec.training, budget, spec.label_subset, spec.seed

    if run.spec.method == "source_only":
        return None
    finished = [one for one in standing_runs(tracker.runs(run.spec.benchmark))[0] if one.status == "FINISHED"]
    same = [r for r in finished if r.spec.method == "source_only" and setting(r.spec) == setting(run.spec)]
    return same[0] if same else None
