"""Augmentation: what a view is depends on its key alone, and each part does what its name says."""

import albumentations as A
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dta_bench.data import augment
from dta_bench.data.augment import Augmentation
from dta_bench.errors import UserError

KEYS = st.tuples(*[st.integers(0, 1000)] * 4)
IMAGE = np.random.default_rng(0).integers(1, 256, (12, 12, 1), dtype=np.uint8)


def built(*names, domain="source", size=(12, 12)):
    return Augmentation(names, domain, size)


def shifted(image, down, right, border, fill):
    """Brute force: the window at (border - down, border - right) of the padded image."""
    padded = np.pad(image, [(border, border)] * 2 + [(0, 0)] * (image.ndim - 2), constant_values=fill)
    height, width = image.shape[:2]
    return padded[border - down :, border - right :][:height, :width]


@given(KEYS)
def test_a_view_is_decided_by_its_key_and_not_by_the_views_before(key):
    fresh, used = built("translate2", "hflip"), built("translate2", "hflip")
    for other in range(3):
        used(IMAGE, (other,))
    assert (fresh(IMAGE, key)[0] == used(IMAGE, key)[0]).all()


def test_noise_is_decided_by_the_key_too():
    image = IMAGE.astype(np.float32)
    assert (built("noise0.1")(image, (1, 2))[0] == built("noise0.1")(image, (1, 2))[0]).all()
    assert (built("noise0.1")(image, (1, 2))[0] != built("noise0.1")(image, (1, 3))[0]).any()


@given(KEYS)
def test_translation_shifts_by_at_most_n_pixels_and_fills_with_zeros(key):
    view, _ = built("translate2")(IMAGE, key)
    reach = range(-2, 3)
    assert any((view == shifted(IMAGE, dy, dx, 2, 0)).all() for dy in reach for dx in reach)


def test_every_translation_occurs():
    views = {built("translate2")(IMAGE, (i,))[0].tobytes() for i in range(400)}
    assert len(views) == 25


def test_flip_gives_the_image_or_its_mirror_each_about_half_the_time():
    flip = built("hflip")
    mirrored = [(flip(IMAGE, (i,))[0] == IMAGE[:, ::-1]).all() for i in range(400)]
    plain = [(flip(IMAGE, (i,))[0] == IMAGE).all() for i in range(400)]
    assert sum(mirrored) + sum(plain) == 400
    assert 150 < sum(mirrored) < 250  # five standard errors


def test_noise_has_the_named_deviation():
    image = np.zeros((100, 100, 1), dtype=np.float32)
    noise = built("noise0.25")(image, (0,))[0]
    assert noise.dtype == np.float32
    assert abs(noise.std() - 0.25) < 0.01
    assert abs(noise.mean()) < 0.0125


@given(KEYS)
def test_a_label_map_moves_with_its_image(key):
    labels = IMAGE[:, :, 0] % 19
    view, seen = Augmentation(("translate2", "hflip"), "source", (12, 12), ignore_index=255)(IMAGE, key, labels)
    came_in = seen == 255
    assert (view[:, :, 0][came_in] == 0).all()
    assert (seen[~came_in] == view[:, :, 0][~came_in] % 19).all()


@pytest.mark.parametrize("name", ["resize", "random_resized_crop"])
@pytest.mark.parametrize("shape", [(40, 25, 3), (9, 30, 1)])
def test_views_have_the_benchmarks_size(name, shape):
    image = np.zeros(shape, dtype=np.uint8)
    labels = np.zeros(shape[:2], dtype=np.uint8)
    view, seen = built(name, size=(16, 24))(image, (0,), labels)
    assert (view.shape, seen.shape) == ((16, 24, shape[2]), (16, 24))


def test_resized_label_maps_hold_no_new_values():
    labels = np.random.default_rng(0).choice([0, 18, 255], (31, 47)).astype(np.uint8)
    _, seen = built("resize", size=(16, 24))(np.zeros((31, 47, 3), dtype=np.uint8), (0,), labels)
    assert set(np.unique(seen)) <= {0, 18, 255}


def test_a_prefix_keeps_a_part_to_one_domain():
    names = ("source:random_resized_crop", "target:hflip")
    assert Augmentation(names, "source", (6, 6))(IMAGE, (0,))[0].shape == (6, 6, 1)
    assert Augmentation(names, "target", (6, 6))(IMAGE, (0,))[0].shape == IMAGE.shape


def test_evaluation_has_no_augmentation_but_resizing_by_area():
    assert (augment.resize(IMAGE, (12, 12)) == IMAGE).all()
    block_means = IMAGE[:, :, 0].reshape(4, 3, 4, 3).mean(axis=(1, 3))
    assert np.abs(augment.resize(IMAGE, (4, 4))[:, :, 0] - block_means).max() <= 0.5


@pytest.mark.parametrize("name", ["rotate", "translate", "translate-1", "noise", "hflip2", "Hflip"])
def test_unknown_name_says_what_is_allowed(name):
    with pytest.raises(UserError, match=rf"'{name}' is unknown; allowed: translateN"):
        built(name)


def test_an_argument_that_albumentations_does_not_know_is_an_error():
    with pytest.raises(UserWarning, match="nonsense"):
        augment._strictly(A.HorizontalFlip, p=0.5, nonsense=1)


@given(KEYS)
def test_a_cut_of_a_resized_image_is_its_middle_or_any_window_of_it(key):
    large = augment.resize(IMAGE, (16, 16))
    windows = [large[top : top + 12, left : left + 12] for top in range(5) for left in range(5)]
    assert (built("resize16", "center_crop")(IMAGE, key)[0] == large[2:14, 2:14]).all()
    view, _ = built("resize16", "random_crop")(IMAGE, key)
    assert any((view == window).all() for window in windows)


def test_resizing_to_a_stated_size_takes_the_label_map_along():
    mask = np.arange(144, dtype=np.uint8).reshape(12, 12)
    image, labels = built("resize6x24")(IMAGE, (0,), mask)
    assert image.shape[:2] == labels.shape == (6, 24)
    assert (labels == augment.resize_labels(mask, (6, 24))).all()


def test_evaluation_resizes_as_training_does_and_takes_the_middle():
    assert augment.evaluation_size(("resize16", "random_crop", "hflip"), (12, 12)) == (16, 16)
    assert augment.evaluation_size(("source:resize16x32", "target:resize"), (12, 12)) == (12, 12)
    assert (augment.cut_middle(IMAGE, (10, 8)) == IMAGE[1:11, 2:10]).all()


def test_images_are_stored_at_a_stated_size():
    names = ("source:resize16x32", "target:resize")
    assert augment.shrink_for(names, "source", (12, 12)) == augment.Shrink((16, 32), exact=True)
    assert augment.shrink_for(names, "target", (12, 12)) == augment.Shrink((12, 12), exact=True)


@pytest.mark.parametrize("names", [("center_crop",), ("resize8", "random_crop"), ("random_crop", "resize16")])
def test_a_cut_needs_a_larger_image_before_it(names):
    with pytest.raises(UserError, match="needs resizeN or resizeHxW of at least that size before it"):
        augment.check(names, (12, 12), "classification", "imagenet")


def test_label_maps_are_measured_whole():
    with pytest.raises(UserError, match="for images of one class; for label maps: cropHxW"):
        augment.check(("resize16", "center_crop"), (12, 12), "segmentation", "imagenet")
    augment.check(("source:resize16", "source:crop12x12", "target:resize"), (12, 12), "segmentation", "imagenet")
