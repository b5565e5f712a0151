"""Images that two sets share: exact copies, the same picture at another size, and images that only look similar."""

import dataclasses

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dta_bench.benchmarks import _digits, digits
from dta_bench.data import duplicates, verify
from dta_bench.data.duplicates import ImageSignatures
from dta_bench.domains.images import Domains, LabelledImages


def signatures_of(images: list[np.ndarray], name: str) -> ImageSignatures:
    thumbnails = np.array([duplicates.thumbnail(image) for image in images], dtype=np.float32)
    return ImageSignatures(
        [f"{name}/{i}" for i in range(len(images))], [duplicates.digest(i) for i in images], thumbnails
    )


@pytest.fixture(scope="module")
def mnist() -> list[np.ndarray]:
    return list(_digits.mnist_5k().images)[::25]


def shrunk_to_20_px(image: np.ndarray) -> np.ndarray:
    """As opencv-doc's digits.png stores MNIST."""
    return cv2.resize(image, (20, 20), interpolation=cv2.INTER_AREA)[:, :, None]


def test_mnist_at_another_size_is_found_and_other_digits_are_not(mnist: list[np.ndarray]) -> None:
    same = duplicates.near_copies(
        signatures_of(mnist, "a"), signatures_of([shrunk_to_20_px(image) for image in mnist], "b")
    )
    assert len(same) > 0.8 * len(mnist)
    assert sum(one.split("/")[1] == other.split("/")[1] for one, other in same) > 0.95 * len(same)
    others = list(_digits.optdigits().images)
    assert duplicates.near_copies(signatures_of(mnist, "a"), signatures_of(others, "b")) == []


def test_a_set_that_is_its_own_target_at_another_size_is_told_as_a_possibility(mnist: list[np.ndarray]) -> None:
    def labelled(images: list[np.ndarray], name: str) -> LabelledImages:
        return LabelledImages(images, np.arange(len(images)) // 20, [f"{name}/{i}" for i in range(len(images))])

    small = [shrunk_to_20_px(image) for image in mnist]
    domains = Domains(
        labelled(mnist, "s"), labelled(mnist[:1], "v"), labelled(small, "t"), labelled(small[:1], "u"), "data"
    )
    found = verify.inspect(dataclasses.replace(digits.BENCHMARK, label_budget=10), domains)
    (said,) = (one for one in found["notes"] if " of target_train may be pictures of source_train at " in one)
    assert "Shrunk to 16 x 16 grey pixels they correlate by 0.99 or more" in said
    assert said.endswith("It stops nothing; a sweep trains on all of them")
    assert not any("pictures of" in one for one in found["problems"])
    assert any(one.startswith("target_train and target_test share 1 image") for one in found["notes"])


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 40))
def test_exact_copies_of_any_image_are_found(seed: int, height: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    images = list(rng.integers(0, 256, (4, height, width, 3), dtype=np.uint8))
    shared = duplicates.exact_copies(signatures_of(images, "a"), signatures_of([images[2], 255 - images[1]], "b"))
    assert ("a/2", "b/0") in shared
    assert duplicates.digest(images[0]) != duplicates.digest(images[0].reshape(-1, 1, 3)) or width == 1


def test_images_of_one_colour_are_copies_of_nothing() -> None:
    even = signatures_of([np.full((9, 9, 3), v, dtype=np.uint8) for v in (0, 7, 255)], "a")
    assert (
        duplicates.near_copies(even, dataclasses.replace(even, ids=["b/0", "b/1", "b/2"], digests=["x", "y", "z"]))
        == []
    )
