"""The end of a run: measure the target test set once, and collect what selection rules need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dta_bench.data.splits import SUBSET_REMOVED
from dta_bench.domains.images import LabelledImages
from dta_bench.evaluation import metrics
from dta_bench.evaluation.evaluator import Evaluation, LabelFreeEvaluation, with_prefix
from dta_bench.evaluation.probes import probes
from dta_bench.evaluation.scenes import Scenes, collect_scenes
from dta_bench.nn.network import Network
from dta_bench.nn.tuning import put_body_back
from dta_bench.spec.run_spec import RunResult, Scores

if TYPE_CHECKING:
    from dta_bench.run.train import Run


@dataclass(frozen=True)
class FinishedRun:
    """A run's result, and what selection rules need later.

    Attributes:
        arrays: of each set its ids, and its logits and labels, or its confusions, entropies and mean predictions
            (see :mod:`dta_bench.evaluation.evaluator`), under ``<set>_<name>``.
        confusion: of the target test set, (K, K): true class by predicted class; None without a labelled test.
        network: the network that predicts.
        scenes: label maps to look at; None for images of one class each.
    """

    result: RunResult
    arrays: dict[str, NDArray[Any]]
    confusion: NDArray[np.int64] | None
    network: Network
    scenes: Scenes | None = None


def finish(run: Run) -> FinishedRun:
    """Measure a trained run on the target test set, if there is one, and collect all that is stored of it."""
    if run.label_free is None:  # resumed after the last epoch
        run.validate()
    assert run.label_free is not None
    run.restate_statistics()  # the network that is kept has them too
    splits = run.splits
    test = None if splits.target_test is None else run.evaluator.evaluate(splits.target_test)
    subset, source = run.validation.get("validation"), run.validation["source_validation"]
    arrays = {
        **with_prefix("target_train", run.label_free.arrays),
        "target_train_ids": np.array(splits.target_train.ids),
        **_labelled_arrays("target_validation", splits.target_validation, subset),
        **with_prefix("source_validation", source.arrays),
        **_labelled_arrays("target_test", splits.target_test, test),
        **_probe_arrays(run, run.label_free),
    }
    result = RunResult(
        run_id=run.spec.id,
        validation=None if subset is None else subset.scores,
        source_validation=source.scores,
        test=None if test is None else test.scores,
        whole=_scores_with_subset(run, test, subset),
        enlarged_labels=None if test is None else test.enlarged_labels,
        collapsed=_has_collapsed(run, test, source, run.label_free),
        epochs=run.spec.training.epochs,
        seconds=run.seconds,
        measuring_seconds=run.measuring_seconds,
    )
    confusion = None if test is None else test.confusion
    if run.kept is not None:
        put_body_back(run.learner, run.kept.keeper.measuring_body())
    return FinishedRun(result, arrays, confusion, run.learner.predictor, _scenes(run, test))


def _labelled_arrays(name: str, images: LabelledImages | None, measured: Evaluation | None) -> dict[str, NDArray[Any]]:
    """What is stored of a labelled set; nothing where it is not there."""
    if images is None or measured is None:
        return {}
    return {**with_prefix(name, measured.arrays), f"{name}_ids": np.array(images.ids)}


def _has_collapsed(run: Run, test: Evaluation | None, source: Evaluation, label_free: LabelFreeEvaluation) -> bool:
    """Whether fewer than half of the classes are in use, on target test or, where there is none, on target train.

    Pixels of target train have no true shares to be compared with; those of source validation stand for them.
    """
    segments = run.benchmark.task == "segmentation"
    if test is not None:
        return metrics.collapsed(test.confusion, segments)
    logits = label_free.arrays["pixels" if segments else "logits"]
    predicted = np.bincount(logits.argmax(axis=1), minlength=logits.shape[1]) / len(logits)
    true_in_source = source.confusion.sum(axis=1) / max(source.confusion.sum(), 1)
    return metrics.too_few_in_use(predicted, true_in_source if segments else None)


def _scenes(run: Run, test: Evaluation | None) -> Scenes | None:
    """Label maps to look at; images of one class each, and sets without label maps, have none."""
    images = run.splits.target_test
    if images is None or test is None or "confusions" not in test.arrays:
        return None
    return collect_scenes(run.evaluator, images, test.arrays["confusions"])


def _scores_with_subset(run: Run, test: Evaluation | None, subset: Evaluation | None) -> Scores | None:
    """Scores with the labelled subset put back into the test set, where it had been left out of it.

    Papers that train on their test images measure on all of them.
    """
    if test is None or subset is None or SUBSET_REMOVED not in run.splits.notes:
        return None
    segments = run.benchmark.task == "segmentation"
    return metrics.scores(test.confusion + subset.confusion, run.benchmark.classes, segments)


def _probe_arrays(run: Run, label_free: LabelFreeEvaluation) -> dict[str, NDArray[Any]]:
    """The arrays that validators need of images of one class each; none for label maps."""
    logits = label_free.arrays.get("logits")
    if logits is None:
        return {}
    on_images = run.kept is None  # features of two images that are mixed are not those of a mixed image
    return dict(probes(run.learner, run.evaluator.batches, run.splits, logits, run.placement.device, on_images))
