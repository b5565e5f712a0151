"""Colour operations of training views: ranges as published, decided by the key, labels only where pixels move."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dta_bench.data import augment
from dta_bench.data.augment import Augmentation
from dta_bench.errors import UserError

KEYS = st.tuples(*[st.integers(0, 1000)] * 4)
SIZE = (16, 16)
IMAGE = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
LABELS = np.random.default_rng(1).integers(0, 5, SIZE, dtype=np.uint8)


def views(*names, image=IMAGE, count=200):
    augmentation = Augmentation(names, "target", SIZE)
    return [augmentation(image, (i,))[0] for i in range(count)]


@given(KEYS, st.sampled_from(["photometric", "randaugment2", "randaugment5", "cutout"]), st.sampled_from([1, 3]))
def test_a_view_is_decided_by_its_key_and_keeps_shape_and_values_of_pixels(key, name, channels):
    image = IMAGE[..., :channels]
    fresh, used = Augmentation((name,), "target", SIZE), Augmentation((name,), "target", SIZE)
    used(image, (key[0], 7))
    view = fresh(image, key)[0]
    assert (view == used(image, key)[0]).all()
    assert (view.shape, view.dtype) == (image.shape, np.uint8)


def test_photometric_distortion_of_grey_stays_grey_and_in_the_published_range():
    grey = np.full((*SIZE, 3), 100, np.uint8)
    values = {int(view[0, 0, 0]) for view in views("photometric", image=grey)}
    assert all((view == view[0, 0, 0]).all() for view in views("photometric", image=grey))
    assert min(values) >= round((100 - 32) * 0.5) - 1
    assert max(values) <= round((100 + 32) * 1.5) + 1
    assert min(values) < 60 < 100 in values
    assert max(values) > 150


def test_photometric_distortion_leaves_about_one_image_in_sixteen_as_it_is():
    unchanged = sum((view == IMAGE).all() for view in views("photometric", count=800))
    assert 25 <= unchanged <= 80  # 50 expected; five standard errors


def test_each_operation_of_randaugment_occurs():
    assert len({view.tobytes() for view in views("randaugment1", count=300)}) > 150
    assert any((view == IMAGE).all() for view in views("randaugment1", count=300))  # the identity is one of them
    assert any(
        (view == 255 - IMAGE).mean() > 0.9 for view in views("randaugment1", count=3000)
    )  # solarize, low threshold


@given(KEYS)
def test_labels_move_with_pixels_and_never_change_with_colours(key):
    assert (Augmentation(("photometric",), "target", SIZE)(IMAGE, key, LABELS)[1] == LABELS).all()
    moved = Augmentation(("randaugment2",), "target", SIZE, ignore_index=255)(IMAGE, key, LABELS)[1]
    assert set(np.unique(moved)) <= {0, 1, 2, 3, 4, 255}


def test_cutout_blanks_a_quarter_of_the_image():
    for view in views("cutout", image=np.full((*SIZE, 3), 9, np.uint8), count=50):
        assert (view == 0).sum() == 8 * 8 * 3


@pytest.mark.parametrize("name", ["photometric", "target:randaugment2"])
def test_colours_cannot_change_after_an_image_was_standardised(name):
    with pytest.raises(UserError, match="this benchmark standardises each image by its own mean and deviation first"):
        augment.check((name,), SIZE, "classification", "per_sample")
    augment.check((name,), SIZE, "classification", "imagenet")
