"""Which classes fell during a run, when, and what took their place."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import fisher_exact
from small_runs import spec_of
from stored_runs import finish

from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.report.build import build_report
from dta_bench.report.class_falls import falls, lost_since, poor_classes
from dta_bench.report.details import few_classes_from
from dta_bench.report.document.run_details import ConfusionMatrix
from dta_bench.report.headline_and_warnings import warnings
from dta_bench.report.terminal.class_falls import SURE, _poor_sentence, _sentence
from dta_bench.report.weak_runs import weak_run_sentences
from dta_bench.spec.benchmark import Benchmark
from dta_bench.tracking import Tracker, store_file
from dta_bench.tracking.class_record import ClassCurves, ClassRow

EPOCHS = (4, 8, 12)
CONFUSION = ConfusionMatrix(classes=["seven", "nine"], counts=[[2, 8], [0, 10]])


def curves(seven: tuple[float, ...], images: int | None = 10, metric: str = "recall") -> ClassCurves:
    """Of two classes, of which nine stays well; without images there is no subset, and ``seven`` are shares."""
    rows = []
    for epoch, value in zip(EPOCHS, seven, strict=True):
        known = (images, value, "nine", 100 - value) if images else (None, None, "", None)
        rows += [
            ClassRow(epoch, "seven", *known, value),
            ClassRow(epoch, "nine", images, 100.0 if images else None, "", None, 100 - value),
        ]
    return ClassCurves(metric, rows)


def test_a_class_that_fell_is_told_with_both_epochs_and_what_took_its_place() -> None:
    (fall,) = falls(curves((90, 10, 20)), CONFUSION)
    assert (fall.since, fall.epochs, fall.values) == (8, [4, 8, 12], [90, 10, 20])
    assert _sentence(fall) == (
        "Class seven fell between epochs 4 and 8: recall on the labelled subset 90.0 % after epoch 4, 10.0 % after 8,"
        " 20.0 % after 12 (10 images). Chance alone does not explain it (p 0.011, for all classes and epochs together);"
        " the epoch is less sure. Of the predictions on target train this class was 90.0 % after epoch 4, 10.0 % after"
        " 8, 20.0 % after 12; 50.0 % would be all classes equally often. After epoch 8, 9 of its 10 images were taken"
        " for nine. On target test, after the last epoch, its recall is 20.0 %, and 80 % of its 10 images are taken for"
        " nine."
    )


def test_a_fall_from_a_recall_that_was_had_by_taking_most_images_for_the_class_is_called_that() -> None:
    (fall,) = falls(curves((90, 10, 20)), CONFUSION)
    said = "Most images were taken for it after epoch 4, so that its recall there may say little."
    assert said in _sentence(fall.model_copy(update={"equal": 25.0}))
    assert said not in _sentence(fall.model_copy(update={"equal": 25.0, "predicted": [40.0, 10.0, 20.0]}))
    assert said not in _sentence(fall.model_copy(update={"equal": 25.0, "metric": "iou"}))


def test_a_class_that_was_never_right_is_told_though_it_did_not_fall() -> None:
    (poor,) = poor_classes(curves((0, 10, 10)), CONFUSION)
    assert _poor_sentence(poor, EPOCHS) == (
        "Class seven was nearly never right: recall on the labelled subset at most 10.0 % after each of 3 measured"
        " epochs (10 images). After epoch 12, 9 of its 10 images were taken for nine. On target test, after the last"
        " epoch, its recall is 20.0 %, and 80 % of its 10 images are taken for nine."
    )


def test_a_class_that_was_measured_once_is_said_to_be_wrong_after_that_epoch() -> None:
    (poor,) = poor_classes(curves((0, 0, 0)), None)
    assert _poor_sentence(poor, [4]) == (
        "Class seven is nearly never right: recall on the labelled subset 0.0 % after epoch 4 (10 images). After epoch"
        " 4, 10 of its 10 images were taken for nine."
    )


@pytest.mark.parametrize(
    ("seven", "images"),
    [
        pytest.param((0, 30, 0), 10, id="it was right at times"),
        pytest.param((0, 0, 0), 2, id="two images are chance"),
        pytest.param((0, 0, 0), None, id="no subset"),
    ],
)
def test_a_class_that_is_not_shown_to_be_never_right_is_not_told(seven: tuple[float, ...], images: int | None) -> None:
    assert poor_classes(curves(seven, images), CONFUSION) == []


@pytest.mark.parametrize(
    ("seven", "images"),
    [
        pytest.param((90, 10, 90), 10, id="it came back"),
        pytest.param((90, 80, 60), 10, id="by less than half"),
        pytest.param((75, 75, 25), 4, id="two of four images"),
        pytest.param((10, 5, 0), 100, id="it was never well"),
        pytest.param((0, 0, 0), 10, id="it was always lost"),
        pytest.param((50, 40, 6), None, id="it is still predicted"),
    ],
)
def test_what_is_no_fall_is_not_told(seven: tuple[float, ...], images: int | None) -> None:
    assert falls(curves(seven, images), None) == []


def test_a_peak_between_two_low_epochs_is_told_from_its_start_and_as_possible_chance() -> None:
    (fall,) = falls(curves((40, 80, 40)), None)
    said = _sentence(fall)
    assert "40.0 % after epoch 4, 80.0 % after 8, 40.0 % after 12 (10 images)." in said
    assert "Chance alone may make a class fall so far (p 0.34); more labelled images would tell." in said


@pytest.mark.parametrize("images", [5, 10, 40])
def test_where_no_class_changes_a_fall_is_called_no_chance_in_less_than_one_run_of_twenty(images: int) -> None:
    rng, classes, runs = np.random.default_rng(0), 10, 400
    called = 0
    for _ in range(runs):
        right = rng.binomial(images, 0.6, size=(classes, 6))  # each epoch anew: that varies more than training does
        rows = [
            ClassRow(epoch, str(name), images, 100 * float(right[name, epoch - 1]) / images, "", None, 10.0)
            for epoch in range(1, 7)
            for name in range(classes)
        ]
        called += any((fall.chance or 0.0) <= SURE for fall in falls(ClassCurves("recall", rows), None))
    assert called <= 0.05 * runs


def test_the_probability_of_a_fall_is_that_of_fishers_exact_test() -> None:
    by_scipy = fisher_exact([[9, 1], [2, 8]], alternative="greater").pvalue
    (fall,) = falls(curves((90, 20, 20)), None)
    assert fall.chance == pytest.approx(min(1.0, by_scipy * 2 * 2))  # two classes, two epochs that could be the best


def test_few_images_are_said_to_be_few() -> None:
    (fall,) = falls(curves((100, 25, 25), images=4), None)
    assert "(only 4 images, so one is 25 points)" in _sentence(fall)


def test_of_label_maps_the_iou_and_the_share_of_pixels_are_told() -> None:
    (fall,) = falls(curves((60, 60, 5), metric="iou"), CONFUSION)
    said = _sentence(fall)
    assert "IoU on the labelled subset 60.0 % after epoch 4, 60.0 % after 8, 5.0 % after 12 (in 10 label maps)" in said
    assert fall.chance is None  # pixels of one map are not independent
    assert "95 % of its pixels were taken for nine" in said


def test_without_a_subset_a_class_fell_that_is_hardly_predicted_any_more() -> None:
    (fall,) = falls(curves((50, 2, 1), images=None), None)
    assert _sentence(fall) == (
        "Class seven fell between epochs 4 and 8: its share of the predictions on target train was 50.0 % after epoch"
        " 4, 2.0 % after 8, 1.0 % after 12."
    )


def test_a_fall_from_one_epoch_to_the_next_is_in_that_epoch() -> None:
    rows = [dataclasses.replace(row, epoch=row.epoch // 4) for row in curves((90, 10, 20)).rows]
    (fall,) = falls(ClassCurves("recall", rows), None)
    assert _sentence(fall).startswith("Class seven fell in epoch 2: ")


def test_a_class_is_lost_since_the_epoch_from_which_on_it_is_under_a_tenth_of_the_mean() -> None:
    assert lost_since(curves((90, 2, 0)), ["seven"]) == {"seven": 8}
    assert lost_since(curves((90, 2, 50)), ["seven"]) == {}  # the subset does not show it
    assert lost_since(curves((90, 2, 0), images=None), ["seven"]) == {}


def test_few_classes_are_told_by_epoch_where_classes_are_expected_equally_often(digits_benchmark: Benchmark) -> None:
    curve = ([4, 8, 12], [9.0, 4.0, 2.0])
    assert few_classes_from(curve, digits_benchmark) == 8
    assert few_classes_from(curve, dataclasses.replace(digits_benchmark, task="segmentation")) is None


def test_a_report_says_since_when_a_run_is_collapsed_or_has_lost_a_class(finished_store: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(finished_store, tmp_path / "out")
    tracker = Tracker(store_file.sqlite_uri(folder / "mlflow.db"), folder)
    for seed in (1, 2):
        log = tracker.open_run(spec_of(seed=seed), None, f"dta seed={seed}", set(), {})
        for epoch, in_use in ((1, 9.0), (2, 2.0)):
            log.log_epoch(epoch, {"target_train/classes_in_use": in_use})
        log.log_classes(curves((90, 0, 0)).rows[:2], "recall")
        log.log_classes(curves((90, 0, 0)).rows[2:4], "recall")
        log.flush()
        finish(tracker, spec_of(seed=seed), 0.8)
    (first, second) = [run for run in tracker.runs("fonts_digits") if run.spec.seed]
    tracker.tag(first, "collapsed", "true")
    tracker._client.log_metric(second.mlflow_run_id, "test/class/seven", 0.0)
    said = "\n".join(warnings(build_report(tracker, "fonts_digits", "labels")))
    assert "Collapsed (fewer than half of the classes predicted): dta seed=1 (on target train from epoch 2 on)." in said
    assert "dta seed=2 (seven since epoch 8)" in said


@pytest.mark.parametrize(
    ("accuracy", "collapsed", "said"),
    [(60.0, False, []), (11.0, False, ["Near guessing"]), (10.0, True, ["Near guessing", "Collapsed"])],
)
def test_train_says_of_its_run_what_a_report_would_say(accuracy: float, collapsed: bool, said: list[str]) -> None:
    found = {"name": "mcc seed=0", "run_id": "abc", "test": {"accuracy": accuracy}, "collapsed": collapsed}
    sentences = weak_run_sentences(found, benchmark_of("fonts_digits"))
    assert [sentence.partition(" (")[0].partition(",")[0] for sentence in sentences] == said
    assert all("mcc seed=0" in sentence for sentence in sentences)


def test_a_run_without_a_labelled_test_is_not_said_to_be_near_guessing(digits_benchmark: Benchmark) -> None:
    found = {"name": "mcc seed=0", "run_id": "abc", "test": None, "collapsed": False}
    assert weak_run_sentences(found, digits_benchmark) == []
