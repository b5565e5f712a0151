"""Label maps, end to end: one confusion matrix at the labels' own size, absent classes absent, no logits kept."""

from __future__ import annotations

import dataclasses
import io
import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
import torchmetrics
from drawn_scenes import SCENES, scenes
from rich.console import Console
from torch import Tensor, nn

from dta_bench.data.batches import Batches
from dta_bench.data.splits import split
from dta_bench.domains.images import Domains, LabelledImages
from dta_bench.evaluation import label_map_predictions, metrics
from dta_bench.evaluation.evaluator import Evaluator
from dta_bench.nn.network import Network
from dta_bench.report.configurations import group_runs
from dta_bench.report.headline_and_warnings import answer
from dta_bench.report.html.page import html, markdown
from dta_bench.report.html.report_page import report_page
from dta_bench.report.summary import summarise
from dta_bench.report.terminal.show import show_report
from dta_bench.run import train
from dta_bench.run.placement import Placement
from dta_bench.run.resolve import resolve_on
from dta_bench.spec.run_spec import LabelSubset, RunSpec, Training
from dta_bench.tracking import Tracker

CPU = torch.device("cpu")


@pytest.fixture
def domains() -> Domains:
    return Domains(scenes(8, 0), scenes(4, 1), scenes(8, 2), scenes(6, 3), "drawn")


def spec(method: str = "source_only", epochs: int = 1, **params: float | str) -> RunSpec:
    return RunSpec(
        "drawn_scenes", "smp/unet/tu-test_resnet", "none", method, params,
        Training(epochs=epochs, optimizer="adam", learning_rate=3e-3, batch_size=4), LabelSubset(size=4), 0,
    )  # fmt: skip


class Colours(nn.Module):
    """A network that reads the class off a pixel: logits (B, K, H, W) from the first channel's value."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes

    def forward(self, images: Tensor) -> Tensor:
        guess = images[:, 0].round().long() % self.classes
        return torch.nn.functional.one_hot(guess, self.classes).movedim(-1, 1).float()


@pytest.mark.parametrize("seed", range(5))
def test_miou_of_a_set_is_torchmetrics_over_all_its_pixels_at_the_labels_size(seed: int) -> None:
    rng = np.random.default_rng(seed)
    guesses = rng.integers(0, 4, (5, 6, 7))
    labels = [rng.choice([0, 1, 2, 255], (12, 21)).astype(np.uint8) for _ in range(5)]
    batches = [torch.from_numpy(guesses[i : i + 2]).float()[:, None] for i in range(0, 5, 2)]
    of_logits, of_labels = label_map_predictions.confusions(Colours(4), batches, labels, 4, 255, CPU)

    one_hot = torch.nn.functional.one_hot(torch.from_numpy(guesses), 4).movedim(-1, 1).float()
    smooth = torch.nn.functional.interpolate(one_hot, size=(12, 21), mode="bilinear", align_corners=False).argmax(1)
    for counts, enlarged in ((of_logits, smooth), (of_labels, torch.from_numpy(guesses.repeat(2, 1).repeat(3, 2)))):
        found = counts.sum(axis=0)
        reference = torchmetrics.JaccardIndex("multiclass", num_classes=4, ignore_index=255, average="none")
        expected = reference(enlarged, torch.from_numpy(np.stack(labels)).long())
        union = found.sum(axis=0) + found.sum(axis=1) - np.diag(found)
        np.testing.assert_allclose(np.diag(found) / union, expected, atol=1e-6)


def test_images_counts_do_not_depend_on_the_batch() -> None:
    rng = np.random.default_rng(0)
    images = torch.from_numpy(rng.integers(0, 4, (5, 1, 6, 7))).float()
    labels = [rng.integers(0, 4, (6, 7)).astype(np.uint8) for _ in range(5)]
    one = label_map_predictions.confusions(Colours(4), images.split(1), labels, 4, 255, CPU)
    all_at_once = label_map_predictions.confusions(Colours(4), [images], labels, 4, 255, CPU)
    np.testing.assert_array_equal(one[0], all_at_once[0])
    np.testing.assert_array_equal(*one)  # nothing is enlarged


def test_statistics_of_a_stream_are_those_of_all_logits_at_once() -> None:
    torch.manual_seed(0)
    net = nn.Conv2d(3, 5, 3, padding=1)
    images = torch.randn(6, 3, 8, 9)
    found = label_map_predictions.set_statistics(
        *label_map_predictions.image_statistics(net, images.split(4), CPU)
    ).label_free()
    p = net(images).detach().double().softmax(1).movedim(1, -1).reshape(-1, 5)
    mean = p.mean(0)
    assert found["entropy"] == pytest.approx(float(-(p * p.log()).sum(1).mean()), rel=1e-5)
    assert found["diversity"] == pytest.approx(float(-(mean * mean.log()).sum()), rel=1e-5)


def test_windows_of_a_network_that_looks_at_single_pixels_give_what_the_whole_image_gives() -> None:
    torch.manual_seed(0)
    net, images = nn.Conv2d(3, 5, 1), torch.randn(2, 3, 37, 50)
    with torch.no_grad():
        torch.testing.assert_close(label_map_predictions.sliding_window(net, images, (16, 21)), net(images))


@pytest.mark.parametrize(("length", "window"), [(50, 21), (64, 64), (1024, 512), (65, 64), (1000, 300)])
def test_windows_cover_all_and_overlap_by_a_third_or_more(length: int, window: int) -> None:
    starts = label_map_predictions._starts(length, window)
    assert starts[0] == 0
    assert starts[-1] == length - window
    assert all(0 < b - a <= -(-2 * window // 3) for a, b in itertools.pairwise(starts))


def test_a_run_is_scored_by_mean_iou_and_absent_classes_are_absent(domains: Domains) -> None:
    splits = split(domains, LabelSubset(size=4))
    told: list[dict[str, float]] = []
    finished = train.train(resolve_on(spec(epochs=15), SCENES, splits), Placement(CPU), lambda _, m: told.append(m))
    test = finished.result.test
    assert test.per_class["nowhere"] is None
    present = [v for v in test.per_class.values() if v is not None]
    assert test.miou == pytest.approx(np.mean(present))
    assert 60 < test.miou < 100
    assert told[-1]["validation/miou"] == finished.result.validation.miou
    pixels = sum(int((label != 255).sum()) for label in domains.target_test.labels)
    assert finished.confusion.sum() == pixels
    assert finished.arrays["target_test_confusions"].shape == (6, 4, 4)
    assert not [name for name in finished.arrays if "logits" in name]


def test_the_best_epoch_is_that_of_the_headline(domains: Domains) -> None:
    run = train.Run(resolve_on(spec(), SCENES, split(domains, LabelSubset(size=4))), Placement(CPU))
    told = run.train_epoch()
    assert run.best == {"epoch": 1.0, "validation": told["validation/miou"]}


def test_drop_to_adapt_trains_on_label_maps(domains: Domains) -> None:
    params = {"lambda_3": 0.0, "epsilon": 0.0, "delta_e": 0.0, "start": "stochastic", "ramp_up_epochs": 1}
    finished = train.train(
        resolve_on(spec("dta", **params), SCENES, split(domains, LabelSubset(size=4))), Placement(CPU)
    )
    assert finished.result.test.miou is not None


def test_a_resumed_run_gives_the_same_counts(domains: Domains, tmp_path: Path) -> None:
    splits, place = split(domains, LabelSubset(size=4)), Placement(CPU, tmp_path / "run.pt")
    whole = train.train(resolve_on(spec(epochs=2), SCENES, splits), Placement(CPU))
    first = train.Run(resolve_on(spec(epochs=2), SCENES, splits), place)
    first.train_epoch()
    first.start_next_epoch()
    resumed = train.train(resolve_on(spec(epochs=2), SCENES, splits), place)
    np.testing.assert_array_equal(whole.confusion, resumed.confusion)


def test_labels_of_another_size_than_the_network_s_are_met_at_their_own() -> None:
    net = Network(nn.Identity(), nn.Identity(), nn.Conv2d(3, 4, 1))
    large = scenes(3, 5, size=(130, 190))
    evaluator = Evaluator(net, dataclasses.replace(SCENES, image_size=(32, 48)), 3, 2, CPU)
    counted = sum(int((label != 255).sum()) for label in large.labels)
    assert evaluator.evaluate(large).confusion.sum() == counted
    assert [label.shape for label in evaluator.predict_label_maps(large.images)] == [(32, 48)] * 3
    own = list(evaluator.predict_label_maps(large.images, [(130, 190)] * 3))
    found = sum(metrics.confusion_matrix(truth, guess, 4) for truth, guess in zip(large.labels, own, strict=True))
    np.testing.assert_array_equal(found, evaluator.evaluate(large).confusion)


def test_both_readings_are_told_where_label_maps_are_larger_than_predictions() -> None:
    net = Network(nn.Identity(), nn.Identity(), nn.Conv2d(3, 4, 1))
    for size, has_both in (((130, 190), True), ((32, 48), False)):
        evaluator = Evaluator(net, dataclasses.replace(SCENES, image_size=(32, 48)), 3, 2, CPU)
        assert (evaluator.evaluate(scenes(3, 5, size=size)).enlarged_labels is not None) == has_both


def test_a_line_between_two_classes_is_straight_where_logits_are_enlarged() -> None:
    """Along a row logits of class 1 are 0, 1, 4, 9 and of class 0 a constant 2.5: they meet halfway from 1 to 4."""
    row = torch.tensor([0.0, 1.0, 4.0, 9.0])
    logits = torch.stack([torch.full((2, 4), 2.5), row.expand(2, 4)])
    at_double = label_map_predictions.most_probable(logits, (4, 8))
    assert at_double[0].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert label_map_predictions.most_probable(logits, (1, 2)).tolist() == [[0, 1]]


def test_a_report_of_label_maps_is_headed_by_mean_iou(domains: Domains, tmp_path: Path) -> None:
    tracker = Tracker(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path)
    tracker.check()
    tracker.experiment(SCENES)
    splits = split(domains, LabelSubset(size=4))
    for method in ("source_only", "dta"):
        for seed in (0, 1):
            run = dataclasses.replace(spec(method), seed=seed, method=method)
            finished = train.train(
                resolve_on(dataclasses.replace(run, method="source_only"), SCENES, splits), Placement(CPU)
            )
            log = tracker.open_run(run, None, f"{method} {seed}", set(), {"data_fingerprint": "d"})
            log.finish(finished.result, finished.arrays, finished.confusion, SCENES.classes)
    runs = tracker.runs("drawn_scenes")
    report = summarise(SCENES, group_runs(tracker, runs), runs, "labels")
    test, difference = report.test, report.difference
    assert test is not None
    assert difference is not None
    assert test.miou == pytest.approx(np.mean(list(test.by_seed.values())))
    assert test.ci95_miou[0] <= test.miou <= test.ci95_miou[1]
    assert difference.points == pytest.approx(0)  # the same runs under two names
    page = report_page(report)
    assert page.numbers[0][0] == "Target test, mean IoU"
    console = Console(file=io.StringIO(), width=80)
    show_report(report, console)
    for text in (answer(report), markdown(page), html(page), console.file.getvalue()):  # type: ignore[attr-defined]
        assert "mean IoU" in text
        assert "miou" not in text.lower()
    by_entropy = summarise(SCENES, group_runs(tracker, runs), runs, "entropy").leaderboard[0]
    assert by_entropy.score < 0


def test_crops_cut_image_and_labels_at_one_place() -> None:
    """A scene whose red channel is its label: after any augmentation the two still agree."""
    rng = np.random.default_rng(0)
    labels = [rng.integers(0, 3, (64, 64)).astype(np.uint8) for _ in range(4)]
    images = [np.stack([label * 50] * 3, axis=2) for label in labels]
    pair = dataclasses.replace(SCENES, standardisation="imagenet", augmentation=("hflip",), crop=(24, 40))
    source = LabelledImages(images, labels, ["a", "b", "c", "d"])
    batches = Batches(source, source.without_labels(), pair, 2, seed=0, channels=3)
    for batch, unlabelled in batches.epoch(1):
        assert batch.images.shape[2:] == batch.labels.shape[1:] == unlabelled.images.shape[2:] == (24, 40)
        red = (batch.images[:, 0] * 0.229 + 0.485) * 255 / 50
        torch.testing.assert_close(red.round().long(), batch.labels)


def test_a_run_on_crops_predicts_whole_images_or_windows(domains: Domains) -> None:
    splits = split(domains, LabelSubset(size=4))
    on_crops = spec().training.model_copy(update={"crop": (32, 32), "image_size": (64, 96)})
    by_window = on_crops.model_copy(update={"window": (32, 64)})
    results = [
        train.train(resolve_on(dataclasses.replace(spec(), training=one), SCENES, splits), Placement(CPU))
        for one in (on_crops, by_window)
    ]
    assert results[0].confusion.sum() == results[1].confusion.sum()
    assert not np.array_equal(results[0].confusion, results[1].confusion)
