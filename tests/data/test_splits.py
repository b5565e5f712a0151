"""The small-label-subset protocol: what is drawn, what is recorded, and that no other target label gets through."""

import dataclasses
import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dta_bench.data.batches import Batches
from dta_bench.data.splits import split, split_supervised, subset_hash
from dta_bench.domains.images import Domains, LabelledImages, UnlabelledImages
from dta_bench.errors import UserError
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.run_spec import LabelSubset

BENCHMARK = Benchmark("drawn", "classification", tuple("abcde"), "s", "t", (6, 6), "accuracy", 20, "ours",
                      augmentation=("translate2", "noise0.1"))  # fmt: skip
VISDA_COUNTS = (3646, 3475, 4690, 10401, 4691, 2075, 5796, 4000, 4549, 2281, 4236, 5548)


def labelled(name, labels):
    labels = np.asarray(labels, dtype=np.int64)
    images = list(np.random.default_rng(len(name)).integers(0, 256, (len(labels), 6, 6, 1), dtype=np.uint8))
    return LabelledImages(images, labels, [f"{name}/{i:03d}" for i in range(len(labels))])


def drawn(target_labels):
    return Domains(
        labelled("source_train", np.arange(80) % 5),
        labelled("source_validation", np.arange(20) % 5),
        labelled("target_train", target_labels),
        labelled("target_test", np.arange(30) % 5),
        "fingerprint",
    )


def test_training_never_sees_a_target_label_outside_the_subset():
    labels = np.arange(100) % 5
    subset = LabelSubset(size=20, seed=3)
    first = split(drawn(labels), subset)
    chosen = [int(name.split("/")[1]) for name in first.target_validation.ids]
    others = np.setdiff1d(np.arange(100), chosen)
    permuted = labels.copy()
    permuted[others] = np.random.default_rng(0).permutation((labels[others] + 1) % 5)
    second = split(drawn(permuted), subset)
    assert (permuted != labels).any()
    assert first.subset_hash == second.subset_hash
    assert (first.target_validation.labels == second.target_validation.labels).all()
    for one, other in zip(epoch_of(first), epoch_of(second), strict=True):
        assert (one[0].images == other[0].images).all()
        assert (one[0].labels == other[0].labels).all()
        assert (one[1].images == other[1].images).all()


def epoch_of(splits):
    return Batches(splits.source_train, splits.target_train, BENCHMARK, 16, seed=0, channels=1).epoch(1)


def test_target_train_keeps_every_image_and_no_labels():
    splits = split(drawn(np.arange(100) % 5), LabelSubset(size=20))
    assert isinstance(splits.target_train, UnlabelledImages)
    assert not hasattr(splits.target_train, "labels")
    assert len(splits.target_train) == 100


def test_the_subset_is_images_of_target_train_with_their_own_labels():
    domains = drawn(np.arange(100) % 5)
    found = split(domains, LabelSubset(size=20)).target_validation
    assert len(set(found.ids)) == 20
    for image, label, name in zip(found.images, found.labels, found.ids, strict=True):
        at = domains.target_train.ids.index(name)
        assert domains.target_train.labels[at] == label
        assert (domains.target_train.images[at] == image).all()


def test_the_seed_alone_decides_the_subset():
    domains = drawn(np.arange(100) % 5)
    hashes = [split(domains, LabelSubset(size=20, seed=seed)).subset_hash for seed in (1, 1, 2)]
    assert hashes[0] == hashes[1] != hashes[2]


def test_the_hash_is_over_sorted_ids():
    images = labelled("x", [0, 1, 2])
    expected = hashlib.sha256(b"x/000\nx/001\nx/002").hexdigest()
    assert subset_hash(images) == subset_hash(images.select([2, 0, 1])) == expected


@given(st.integers(1, 100), st.integers(0, 50))
def test_a_stratified_subset_of_even_classes_is_even(size, seed):
    labels = np.random.default_rng(seed).permutation(np.arange(100) % 5)
    chosen = split(drawn(labels), LabelSubset(size=size, seed=seed, stratified=True)).target_validation
    counts = np.bincount(chosen.labels, minlength=5)
    assert counts.sum() == size
    assert counts.max() - counts.min() <= 1


def test_a_stratified_subset_of_uneven_classes_has_their_shares():
    labels = np.repeat(np.arange(12), VISDA_COUNTS)
    target = LabelledImages([np.zeros((1, 1, 1), np.uint8)] * len(labels), labels, [str(i) for i in range(len(labels))])
    domains = dataclasses.replace(drawn([0] * 30), target_train=target)
    chosen = split(domains, LabelSubset(size=1000, stratified=True)).target_validation
    shares = 1000 * np.array(VISDA_COUNTS) / sum(VISDA_COUNTS)
    assert np.abs(np.bincount(chosen.labels) - shares).max() < 1


def test_where_target_test_is_target_train_the_subset_is_left_out_and_noted():
    domains = drawn(np.arange(100) % 5)
    domains = dataclasses.replace(domains, target_test=domains.target_train)
    splits = split(domains, LabelSubset(size=20))
    assert set(splits.target_test.ids) == set(domains.target_train.ids) - set(splits.target_validation.ids)
    assert "20 images left out" in splits.notes["target_test"]


def test_a_separate_target_test_is_whole():
    domains = drawn(np.arange(100) % 5)
    splits = split(domains, LabelSubset(size=20))
    assert splits.target_test.ids == domains.target_test.ids
    assert "target_test" not in splits.notes


def test_the_upper_bound_trains_on_target_labels_but_not_on_the_subset():
    domains = drawn(np.arange(100) % 5)
    splits = split_supervised(domains, LabelSubset(size=20))
    assert set(splits.source_train.ids) == set(domains.target_train.ids) - set(splits.target_validation.ids)
    assert "80 target labels" in splits.notes["supervised"]


def test_a_subset_larger_than_target_train_is_refused():
    with pytest.raises(UserError, match="size is 101, but 100 images are there"):
        split(drawn(np.arange(100) % 5), LabelSubset(size=101))


def test_label_maps_cannot_be_stratified():
    maps = LabelledImages([np.zeros((2, 2, 3), np.uint8)] * 4, [np.zeros((2, 2), np.uint8)] * 4, list("abcd"))
    domains = dataclasses.replace(drawn([0] * 9), target_train=maps)
    with pytest.raises(UserError, match="stratified: false"):
        split(domains, LabelSubset(size=2, stratified=True))
    assert len(split(domains, LabelSubset(size=2)).target_validation.labels) == 2
