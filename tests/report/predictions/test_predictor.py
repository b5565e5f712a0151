"""A predictor gives what the run's own evaluation gives, image by image, from files of any size."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from kept_networks import SEGMENTATION, classifier, draw_images, untrained
from small_runs import spec_of

from dta_bench.data.image_cache import with_cache
from dta_bench.domains.image_files import ImageFiles, read_image
from dta_bench.domains.images import LabelledImages, Splits, UnlabelledImages
from dta_bench.evaluation.evaluator import Evaluator
from dta_bench.evaluation.metrics import confusion_matrix
from dta_bench.report.predictions.model_card import model_card
from dta_bench.report.predictions.predictor import MirrorAveraged, Predictor
from dta_bench.run.network_file import LoadedNetwork

CPU = torch.device("cpu")


def as_measured(loaded: LoadedNetwork, folder: Path, paths: list[Path]) -> np.ndarray:
    """The logits that a run would store of these files, read as a run reads them: through its store of images."""
    names = [path.name for path in paths]
    images = LabelledImages(ImageFiles(folder, names), np.zeros(len(names), dtype=np.int64), names)
    unlabelled = UnlabelledImages(images.images, names)
    splits = with_cache(Splits(images, images, unlabelled, images, images, "f"), loaded.card.benchmark, use_store=False)
    assert splits.target_test is not None
    card = loaded.card
    evaluator = Evaluator(loaded.predicts, card.benchmark, card.channels, 4, CPU)
    return evaluator.evaluate(splits.target_test).arrays["logits"]


@pytest.mark.parametrize("augmentation", [("translate2",), ("source:random_resized_crop", "target:resize"),
                                          ("random_resized_crop",), ("resize40", "random_crop"),
                                          ("resize40x36", "center_crop")])  # fmt: skip
def test_it_reads_and_resizes_files_as_the_run_did(augmentation: tuple[str, ...], tmp_path: Path) -> None:
    loaded = untrained(spec_of("source_only"))
    benchmark = dataclasses.replace(loaded.card.benchmark, augmentation=augmentation)
    loaded = dataclasses.replace(loaded, card=dataclasses.replace(loaded.card, benchmark=benchmark))
    paths = draw_images(tmp_path, 9, (90, 61))
    predictor = Predictor(loaded)
    found = predictor.probabilities([predictor.read(path)[0] for path in paths])
    expected = torch.from_numpy(as_measured(loaded, tmp_path, paths)).softmax(1).numpy()
    assert found == pytest.approx(expected, abs=1e-5)
    assert (found.argmax(1) == expected.argmax(1)).all()
    assert len(set(found.argmax(1))) > 1


def test_mirrored_views_are_the_mean_of_both_probabilities(tmp_path: Path) -> None:
    paths = draw_images(tmp_path, 5)
    plain, both = classifier(), classifier("flip")
    images = [plain.read(path)[0] for path in paths]
    mirrored = [np.ascontiguousarray(image[:, ::-1]) for image in images]
    expected = (plain.probabilities(images) + plain.probabilities(mirrored)) / 2
    assert both.probabilities(images) == pytest.approx(expected, abs=1e-5)


def test_a_mirrored_label_map_is_turned_back() -> None:
    loaded = untrained(SEGMENTATION)
    images = torch.randn(2, 3, 32, 64)
    with torch.no_grad():
        both = MirrorAveraged(loaded.predicts)(images).exp()
        plain = loaded.predicts(images).softmax(1)
        mirrored = loaded.predicts(images.flip(3)).softmax(1).flip(3)
    assert torch.allclose(both, (plain + mirrored) / 2, atol=1e-5)


def test_a_label_map_has_the_size_of_its_image(tmp_path: Path) -> None:
    predictor = Predictor(untrained(SEGMENTATION))
    paths = draw_images(tmp_path / "a", 2, (50, 70)) + draw_images(tmp_path / "b", 1, (33, 41))
    read = [predictor.read(path) for path in paths]
    maps = list(predictor.label_maps([image for image, _ in read], [size for _, size in read]))
    assert [one.shape for one in maps] == [(50, 70), (50, 70), (33, 41)]
    assert max(one.max() for one in maps) < len(predictor.classes)


def test_what_is_read_is_as_small_as_the_network_takes_it(tmp_path: Path) -> None:
    (path,) = draw_images(tmp_path, 1, (300, 500))
    predictor = classifier()
    image, size = predictor.read(path)
    assert size == read_image(path).shape[:2] == (300, 500)
    assert image.shape == (*predictor.card.benchmark.image_size, 1)


@pytest.mark.parametrize("window", [None, (32, 32)])
def test_label_maps_give_the_counts_that_a_run_stores(window: tuple[int, int] | None, tmp_path: Path) -> None:
    training = SEGMENTATION.training.model_copy(update={"window": window})
    loaded = untrained(dataclasses.replace(SEGMENTATION, training=training))
    paths = draw_images(tmp_path, 3, (50, 70))
    classes, rng = len(loaded.card.benchmark.classes), np.random.default_rng(0)
    truths = [rng.integers(0, classes, (50, 70)).astype(np.uint8) for _ in paths]
    names = [path.name for path in paths]
    images = LabelledImages(ImageFiles(tmp_path, names), truths, names)
    card = loaded.card
    predictor = Predictor(loaded)  # in batches of the run's size: a rounding may decide between two equal classes
    evaluator = Evaluator(loaded.predicts, card.benchmark, card.channels, predictor.batch_size, CPU, window)
    stored = evaluator.evaluate(images)
    read = [predictor.read(path) for path in paths]
    maps = predictor.label_maps([image for image, _ in read], [size for _, size in read])
    counts = [confusion_matrix(truth, found, classes) for truth, found in zip(truths, maps, strict=True)]
    assert (np.stack(counts) == stored.arrays["confusions"]).all()


def test_its_card_says_what_is_resized_and_what_is_cut_out() -> None:
    card = untrained(spec_of("source_only")).card
    benchmark = dataclasses.replace(card.benchmark, augmentation=("resize40", "random_crop"))
    said = model_card(dataclasses.replace(card, benchmark=benchmark), [], "by hand")
    assert "resized to 40 x 40 pixels (height x width), 1 channels, of which the middle 28 x 28 is predicted" in said
