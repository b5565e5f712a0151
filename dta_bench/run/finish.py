"""The end of a run: measure the target test set once, and collect what selection rules need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dta_bench.data import splits
from dta_bench.evaluation import metrics
from dta_bench.evaluation.evaluator import Evaluation, LabelFreeEvaluation, with_prefix
from dta_bench.evaluation.probes import probes
from dta_bench.evaluation.scenes import Scenes, collect_scenes
from dta_bench.nn.network import Network
from dta_bench.spec.run_spec import RunResult, Scores

if TYPE_CHECKING:
    from dta_bench.run.train import Run


@dataclass(frozen=True)
class FinishedRun:
    """A run's result, and what selection rules need later.

    Attributes:
        arrays: of each set its ids, and its logits and labels, or its confusions, entropies and mean predictions
            (see :mod:`dta_bench.evaluation.evaluator`), under ``<set>_<name>``.
        confusion: of the target test set, (K, K): true class by predicted class.
        network: the network that predicts.
        scenes: label maps to look at; None for images of one class each.
    """

    result: RunResult
    arrays: dict[str, NDArray[Any]]
    confusion: NDArray[np.int64]
    network: Network
    scenes: Scenes | None = None


def finish(run: Run) -> FinishedRun:
    """Measure a trained run on the target test set, and collect all that is stored of it."""
    if run.label_free is None:  # resumed after the last epoch
        run.validate()
    assert run.label_free is not None
    test = run.evaluator.evaluate(run.splits.target_test)
    subset, source = run.validation["validation"], run.validation["source_validation"]
    arrays = {
        **with_prefix("target_train", run.label_free.arrays),
        "target_train_ids": np.array(run.splits.target_train.ids),
        **with_prefix("target_validation", subset.arrays),
        "target_validation_ids": np.array(run.splits.target_validation.ids),
        **with_prefix("source_validation", source.arrays),
        **with_prefix("target_test", test.arrays),
        "target_test_ids": np.array(run.splits.target_test.ids),
        **_probe_arrays(run, run.label_free),
    }
    result = RunResult(
        run_id=run.spec.id,
        validation=subset.scores,
        source_validation=source.scores,
        test=test.scores,
        whole=_scores_with_subset(run, test, subset),
        collapsed=metrics.collapsed(test.confusion, run.benchmark.task == "segmentation"),
        epochs=run.spec.training.epochs,
        seconds=run.seconds,
        measuring_seconds=run.measuring_seconds,
    )
    return FinishedRun(result, arrays, test.confusion, run.learner.predictor, _scenes(run, test))


def _scenes(run: Run, test: Evaluation) -> Scenes | None:
    """Label maps to look at; images of one class each have none."""
    confusions = test.arrays.get("confusions")
    return None if confusions is None else collect_scenes(run.evaluator, run.splits.target_test, confusions)


def _scores_with_subset(run: Run, test: Evaluation, subset: Evaluation) -> Scores | None:
    """Scores with the labelled subset put back into the test set, where it had been left out of it.

    Papers that train on their test images measure on all of them.
    """
    if splits.SUBSET_REMOVED not in run.splits.notes:
        return None
    segments = run.benchmark.task == "segmentation"
    return metrics.scores(test.confusion + subset.confusion, run.benchmark.classes, segments)


def _probe_arrays(run: Run, label_free: LabelFreeEvaluation) -> dict[str, NDArray[Any]]:
    """The arrays that validators need of images of one class each; none for label maps."""
    logits = label_free.arrays.get("logits")
    if logits is None:
        return {}
    return dict(probes(run.learner, run.evaluator.batches, run.splits, logits, run.placement.device))
