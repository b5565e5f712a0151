"""Batches: every epoch is a function of its seed and number, and images arrive as the network wants them."""

import dataclasses
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.transforms.functional import normalize

from dta_bench.data.batches import Batches, evaluation_batches
from dta_bench.domains.images import LabelledImages, UnlabelledImages
from dta_bench.errors import UserError
from dta_bench.nn.network import IMAGENET
from dta_bench.spec.benchmark import Benchmark

AUGMENTED = Benchmark("drawn", "classification", tuple("abc"), "s", "t", (6, 6), "accuracy", 1, "ours",
                      augmentation=("translate2", "noise0.1"))  # fmt: skip
PLAIN = dataclasses.replace(AUGMENTED, augmentation=(), standardisation="imagenet")


def numbered(count):
    """Image i is grey i everywhere."""
    return [np.full((6, 6, 1), i, dtype=np.uint8) for i in range(count)]


def noisy(count, shape=(6, 6, 1)):
    return list(np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8))


def batches(benchmark=AUGMENTED, images=noisy, source=23, target=37, batch_size=5, seed=0, channels=1, workers=0):
    labelled = LabelledImages(images(source), np.arange(source) % 3, [f"s{i}" for i in range(source)])
    unlabelled = UnlabelledImages(images(target), [f"t{i}" for i in range(target)])
    return Batches(labelled, unlabelled, benchmark, batch_size, seed, channels, workers)


def same(one, other):
    pairs = list(zip(one, other, strict=True))
    return all(
        torch.equal(a.images, c.images) and torch.equal(a.labels, c.labels) and torch.equal(b.images, d.images)
        for (a, b), (c, d) in pairs
    )


class Lazily(Sequence):
    """Images made when asked for, as those of files are."""

    def __init__(self, images):
        self._images = images

    def __getitem__(self, index):
        return self._images[index]

    def __len__(self):
        return len(self._images)


def lazily(count):
    return Lazily(noisy(count))


class Broken(Lazily):
    """One of them cannot be read."""

    def __getitem__(self, index):
        if index == 7:
            raise UserError("7.jpg cannot be read")
        return super().__getitem__(index)


def numbers(images):
    """Which numbered images a plain batch holds."""
    return (255 * (images[:, 0, 0, 0] * IMAGENET.std[0] + IMAGENET.mean[0])).round().int().tolist()


@given(st.integers(0, 7), st.integers(1, 50))
def test_a_resumed_epoch_goes_on_at_any_step_exactly(step, epoch):
    assert same(list(batches().epoch(epoch))[step:], batches().epoch(epoch, start_step=step))


def test_epochs_and_seeds_differ():
    first = list(batches().epoch(1))
    assert not same(first, batches().epoch(2))
    assert not same(first, batches(seed=1).epoch(1))


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_make_the_same_batches_from_any_step(workers):
    assert same(list(batches().epoch(1))[2:], batches(images=lazily, workers=workers).epoch(1, start_step=2))


def test_workers_differ_in_what_they_draw():
    first, second = (b.images for _, b in batches(images=lambda n: Lazily(noisy(1) * n), workers=2).epoch(1, 5))
    assert not torch.equal(first, second)


def test_images_in_memory_need_no_workers():
    assert batches(workers=2).workers == 0
    assert batches(images=lazily, workers=2).workers == 2


@pytest.mark.parametrize("workers", [0, 1])
def test_torchs_own_generator_is_left_alone(workers):
    before = torch.get_rng_state()
    list(batches(images=lazily, workers=workers).epoch(1, start_step=5))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_image_that_cannot_be_read_ends_the_epoch_with_its_name_alone(workers):
    with pytest.raises(UserError) as caught:
        list(batches(images=lambda n: Broken(noisy(n)), workers=workers).epoch(1))
    assert str(caught.value) == "7.jpg cannot be read"


@pytest.mark.parametrize("workers", [0, 2])
def test_evaluation_is_the_same_with_workers_and_names_what_it_cannot_read(workers):
    found = torch.cat(list(evaluation_batches(lazily(13), AUGMENTED, 1, 5, workers=workers)))
    assert torch.equal(found, torch.cat(list(evaluation_batches(noisy(13), AUGMENTED, 1, 5))))
    with pytest.raises(UserError, match=r"^7\.jpg cannot be read$"):
        list(evaluation_batches(Broken(noisy(13)), AUGMENTED, 1, 5, workers=workers))


@pytest.mark.parametrize(("length", "steps"), [("source", 4), ("target", 7), ("larger", 7)])
def test_an_epoch_goes_through_the_named_domain_without_its_last_short_batch(length, steps):
    found = batches(dataclasses.replace(AUGMENTED, epoch_length=length))
    assert len(found) == steps == len(list(found.epoch(1)))


@pytest.mark.parametrize("steps", [3, 20])
def test_an_epoch_of_a_given_length_cuts_or_repeats_both_domains(steps):
    plain = batches()
    given = Batches(plain.source, plain.target, AUGMENTED, 5, 0, 1, steps=steps)
    found = list(given.epoch(1))
    assert len(given) == len(found) == steps
    shorter = min(steps, len(plain))
    assert same(found[:shorter], list(plain.epoch(1))[:shorter])
    seen = Counter(int(index) for _, target in found for index in target.index)
    assert max(seen.values()) - min(seen[i] for i in range(37)) <= 1


def test_the_named_domain_is_seen_once_and_the_shorter_one_evenly():
    found = list(batches(PLAIN, numbered, channels=3).epoch(1))
    target = Counter(i for _, batch in found for i in numbers(batch.images))
    source = Counter(i for batch, _ in found for i in numbers(batch.images))
    assert len(target) == 35
    assert set(target.values()) == {1}
    assert sum(source.values()) == 35
    assert len(source) == 23
    assert set(source.values()) == {1, 2}


def test_an_image_seen_twice_in_an_epoch_is_seen_in_two_views():
    found = batches(source=1, target=4, batch_size=4)
    views = next(iter(found.epoch(1)))[0].images
    assert len({view.numpy().tobytes() for view in views}) == 4


def test_the_two_domains_are_shuffled_apart():
    found = list(batches(PLAIN, numbered, source=37, channels=3).epoch(1))
    assert [numbers(s.images) for s, _ in found] != [numbers(t.images) for _, t in found]


def test_labels_travel_with_their_images():
    for source, _ in batches(PLAIN, numbered, channels=3).epoch(3):
        assert source.labels.dtype == torch.int64
        assert source.labels.tolist() == [i % 3 for i in numbers(source.images)]


def test_fewer_images_than_a_batch_still_make_one_full_batch():
    source, target = next(iter(batches(source=3, target=2, batch_size=8).epoch(1)))
    assert len(source.images) == len(target.images) == 8


def test_evaluation_takes_all_images_in_order():
    found = list(evaluation_batches(numbered(13), PLAIN, 3, 5))
    assert [len(images) for images in found] == [5, 5, 3]
    assert numbers(torch.cat(found)) == list(range(13))


def test_evaluation_resizes_to_the_benchmarks_size():
    (found,) = evaluation_batches(noisy(2, (12, 18, 3)), PLAIN, 3, 5)
    assert found.shape == (2, 3, 6, 6)


@pytest.mark.parametrize("standardisation", ["imagenet", "per_sample"])
def test_training_resizes_as_evaluation_does_where_no_augmentation_does(standardisation):
    quiet = dataclasses.replace(PLAIN, image_size=(12, 12), standardisation=standardisation)
    images, ids = noisy(4), list("abcd")
    labelled, unlabelled = LabelledImages(images, np.arange(4) % 3, ids), UnlabelledImages(images, ids)
    ((source, target),) = Batches(labelled, unlabelled, quiet, 4, 0, 1).epoch(1)
    (plain,) = evaluation_batches(images, quiet, 1, 4)
    assert torch.equal(target.images[target.index.argsort()], plain)
    assert source.images.shape == (4, 1, 12, 12)


def test_a_shift_moves_what_was_resized():
    larger = dataclasses.replace(AUGMENTED, image_size=(12, 12))
    for source, target in batches(larger).epoch(1):
        assert source.images.shape[2:] == target.images.shape[2:] == (12, 12)


def test_label_maps_are_resized_with_their_images_where_no_augmentation_does():
    larger = dataclasses.replace(PLAIN, image_size=(12, 12), task="segmentation")
    masks = [np.full((6, 6), i, dtype=np.uint8) for i in range(5)]
    labelled = LabelledImages(noisy(5), masks, list("abcde"))
    ((source, _),) = Batches(labelled, UnlabelledImages(noisy(5), list("abcde")), larger, 5, 0, 1).epoch(1)
    assert source.labels.shape == (5, 12, 12)
    assert sorted(int(labels.unique()) for labels in source.labels) == [0, 1, 2, 3, 4]


def test_per_sample_standardisation_has_mean_zero_and_deviation_one():
    (found,) = evaluation_batches(noisy(4, (6, 6, 3)), AUGMENTED, 3, 4)
    assert found.mean(dim=(1, 2, 3)).abs().max() < 1e-5
    assert (found.std(dim=(1, 2, 3), correction=0) - 1).abs().max() < 1e-5


def test_an_even_image_is_standardised_to_zeros():
    (found,) = evaluation_batches(numbered(3), AUGMENTED, 1, 3)
    assert (found == 0).all()


def test_imagenet_standardisation_is_torchvisions():
    images = noisy(4, (6, 6, 3))
    (found,) = evaluation_batches(images, PLAIN, 3, 4)
    scaled = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2) / 255
    torch.testing.assert_close(found, normalize(scaled, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))


def test_a_colour_backbone_gets_grey_three_times():
    (found,) = evaluation_batches(noisy(4), AUGMENTED, 3, 4)
    assert found.shape[1] == 3
    assert (found == found[:, :1]).all()


def test_a_grey_backbone_gets_the_mean_of_the_colours():
    image = np.zeros((6, 6, 3), dtype=np.uint8)
    image[:3] = (30, 60, 90)
    (found,) = evaluation_batches([image], AUGMENTED, 1, 1)
    (grey,) = evaluation_batches([np.where(np.arange(6)[:, None, None] < 3, 60, np.zeros((6, 6, 1))).astype(np.uint8)],
                                 AUGMENTED, 1, 1)  # fmt: skip
    torch.testing.assert_close(found, grey)


def test_label_maps_are_batched_with_their_images_at_one_size():
    maps = [np.full((8, 10), i, dtype=np.uint8) for i in range(6)]
    source = LabelledImages([np.repeat(m[:, :, None], 3, axis=2) for m in maps], maps, list("abcdef"))
    target = UnlabelledImages(source.images, source.ids)
    scenes = dataclasses.replace(PLAIN, task="segmentation", augmentation=("resize",), image_size=(4, 5))
    found, _ = next(iter(Batches(source, target, scenes, 6, 0, 3).epoch(1)))
    assert found.images.shape == (6, 3, 4, 5)
    assert found.labels.shape == (6, 4, 5)
    assert found.labels[:, 0, 0].tolist() == numbers(found.images)


def test_evaluation_takes_the_middle_of_what_training_sees_in_cuts() -> None:
    image = np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    cut = dataclasses.replace(PLAIN, augmentation=("resize9", "random_crop"))
    whole = dataclasses.replace(PLAIN, image_size=(9, 9), augmentation=())
    (middle,), (all_of_it,) = (evaluation_batches([image], benchmark, 3, 1) for benchmark in (cut, whole))
    assert torch.equal(middle, all_of_it[:, :, 1:7, 1:7])


def test_the_strong_view_is_the_one_that_the_benchmark_states():
    blanked = dataclasses.replace(PLAIN, strong_view=("cutout",))
    labelled = LabelledImages(noisy(8), np.zeros(8, int), [f"s{i}" for i in range(8)])
    unlabelled = UnlabelledImages([image // 2 + 100 for image in noisy(8)], [f"t{i}" for i in range(8)])
    stream = Batches(labelled, unlabelled, blanked, 8, 0, 1, second_view="strong", normalisation=IMAGENET)
    _, target = next(iter(stream.epoch(1)))
    black = torch.isclose(target.again, target.again.min())
    assert black.sum(dim=(1, 2, 3)).tolist() == [9] * 8
    assert torch.equal(target.again[~black], target.images[~black])
