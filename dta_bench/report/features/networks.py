"""A run's final network back in memory, and the source-only run that stands beside it."""

from __future__ import annotations

from dataclasses import dataclass

from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.errors import UserError
from dta_bench.evaluation.evaluator import Evaluator
from dta_bench.nn import pretrained
from dta_bench.nn.network import Network
from dta_bench.run import execute, network_file
from dta_bench.spec.benchmark import Benchmark
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


def load_trained(tracker: Tracker, run: TrackedRun) -> TrainedRun:
    """Build a run's network anew, and fill it with the weights that the run kept.

    Raises:
        UserError: the run is not finished, or kept no network.
    """
    spec = run.spec
    if run.status != "FINISHED":
        raise UserError(f"{run.run_id} is {run.status.lower()}, and only a finished run has a final network")
    if not tracker.has_file(run, network_file.NAME):
        raise UserError(
            f"{run.run_id} kept no network (those above {execute.SMALL_NETWORK // 2**20} MiB are kept on request);"
            f" train it again with {_command(spec)}"
        )
    benchmark = benchmark_of(spec.benchmark)
    backbone = pretrained.backbone(spec.backbone, benchmark.image_size)
    empty = backbone.build(len(benchmark.classes), "none")
    with tracker.artifact(run, network_file.NAME) as path:
        network = network_file.load(path, empty)
    return TrainedRun(run, network, _evaluator(network, benchmark, backbone, spec))


def _evaluator(network: Network, benchmark: Benchmark, backbone: pretrained.BackbonePlugin, spec: RunSpec) -> Evaluator:
    device = next(network.parameters()).device
    return Evaluator(network, benchmark, backbone.channels, 2 * spec.training.batch_size, device)


def find_run(tracker: Tracker, name: str) -> TrackedRun:
    """The one run whose identity or MLflow id begins with ``name``.

    Raises:
        UserError: there is none, or several.
    """
    if not tracker.exists():
        raise UserError(f"there are no runs in {tracker.uri}; run a sweep there first, or name its --out")
    known = [run for benchmark in tracker.experiments() for run in tracker.runs(benchmark)]
    found = [run for run in known if any(i.startswith(name) for i in (run.run_id, run.alias, run.mlflow_run_id))]
    found = standing_runs(found)[0] if len({run.run_id for run in found}) == 1 else found
    if len(found) != 1:
        problem = (
            f"{len(found)} runs' identities begin with {name!r}" if found else f"no run's identity begins with {name!r}"
        )
        raise UserError(
            f"{problem}; dta-bench sweep NAME --dry-run lists a sweep's, MLflow shows each as the tag run_id"
        )
    return found[0]


def find_source_only(tracker: Tracker, run: TrackedRun) -> TrackedRun | None:
    """The source-only run of the same benchmark, backbone, weights, training and seed, if it is finished."""

    def setting(spec: RunSpec) -> tuple[object, ...]:
        return spec.backbone, spec.weights, spec.training, spec.label_subset, spec.seed

    if run.spec.method == "source_only":
        return None
    finished = [one for one in standing_runs(tracker.runs(run.spec.benchmark))[0] if one.status == "FINISHED"]
    same = [r for r in finished if r.spec.method == "source_only" and setting(r.spec) == setting(run.spec)]
    return same[0] if same else None


def _command(spec: RunSpec) -> str:
    settings = " ".join(f"--set {key}={value}" for key, value in spec.params.items())
    what = f"dta-bench train {spec.benchmark} --backbone {spec.backbone} --method {spec.method} --seed {spec.seed}"
    return f"{what} --epochs {spec.training.epochs} --keep-network {settings}".strip()
