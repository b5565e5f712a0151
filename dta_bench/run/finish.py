"""The end of a run: measure the target test set, once, and collect what selection rules may want."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dta_bench.data import splits
from dta_bench.evaluation import metrics
from dta_bench.evaluation.evaluator import Measured, Surveyed, named
from dta_bench.evaluation.probes import probes
from dta_bench.evaluation.scenes import Scenes, collect
from dta_bench.nn.network import Network
from dta_bench.spec.run_spec import RunResult, Scores

if TYPE_CHECKING:
    from dta_bench.run.train import Run


@dataclass(frozen=True)
class Finished:
    """A run's result and what selection rules may want later.

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


def finish(run: Run) -> Finished:
    """Measure a trained run on target test and put together all that is kept of it."""
    if run.surveyed is None:  # resumed after the last epoch
        run.validate()
    assert run.surveyed is not None
    test = run.meter.measure(run.splits.target_test)
    subset, source = run.validation["validation"], run.validation["source_validation"]
    arrays = {
        **named("target_train", run.surveyed.arrays),
        "target_train_ids": np.array(run.splits.target_train.ids),
        **named("target_validation", subset.arrays),
        "target_validation_ids": np.array(run.splits.target_validation.ids),
        **named("source_validation", source.arrays),
        **named("target_test", test.arrays),
        "target_test_ids": np.array(run.splits.target_test.ids),
        **_probes(run, run.surveyed),
    }
    result = RunResult(
        run_id=run.spec.id,
        validation=subset.scores,
        source_validation=source.scores,
        test=test.scores,
        whole=_whole(run, test, subset),
        collapsed=metrics.collapsed(test.confusion, run.benchmark.task == "segmentation"),
        epochs=run.spec.training.epochs,
        seconds=run.seconds,
        measuring_seconds=run.measuring_seconds,
    )
    return Finished(result, arrays, test.confusion, run.learner.predictor, _scenes(run, test))


def _scenes(run: Run, test: Measured) -> Scenes | None:
    """Label maps to look at; images of one class each have none."""
    counted = test.arrays.get("confusions")
    return None if counted is None else collect(run.meter, run.splits.target_test, counted)


def _whole(run: Run, test: Measured, subset: Measured) -> Scores | None:
    """Scores with the labelled subset put back into the test set, where it had been left out of it.

    Papers that train on their test images measure on all of them.
    """
    if splits.LEFT_OUT not in run.splits.notes:
        return None
    segments = run.benchmark.task == "segmentation"
    return metrics.scores(test.confusion + subset.confusion, run.benchmark.classes, segments)


def _probes(run: Run, surveyed: Surveyed) -> dict[str, NDArray[Any]]:
    """What other rules need of images that have one class each; label maps leave no such thing."""
    logits = surveyed.arrays.get("logits")
    if logits is None:
        return {}
    return dict(probes(run.learner, run.meter.batches, run.splits, logits, run.placement.device))
