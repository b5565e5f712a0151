"""Counted noise: the words of Philox4x32-10, normal numbers of them, and a stream of its own for each view."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import kstest

from dta_bench.data import counted_noise
from dta_bench.data.device_path import counted_there
from dta_bench.errors import UserError

WORD = st.integers(0, 2**32 - 1)
VIEWS = st.tuples(st.integers(0, 2**62 - 1), WORD, st.integers(0, 2), WORD, WORD)
"""(seed, epoch, domain, cycle, index)"""


def words(text: str) -> list[int]:
    return [int(word, 16) for word in text.split()]


def on_host(counter: list[int], key: list[int]) -> list[int]:
    found = counted_noise.philox(np.array(counter, dtype=np.uint64)[:, None], np.array(key, dtype=np.uint64))
    return found.ravel().tolist()  # type: ignore[no-any-return]


def on_device(counter: list[int], key: list[int]) -> list[int]:
    return counted_there.philox(torch.tensor(counter)[None, :, None], torch.tensor(key)[None]).flatten().tolist()


@pytest.mark.parametrize("way", [on_host, on_device])
@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ("0 0 0 0", "0 0", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        (" ".join(["ffffffff"] * 4), "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)
def test_words_are_those_that_random123_states(
    way: Callable[[list[int], list[int]], list[int]], counter: str, key: str, expected: str
) -> None:
    assert way(words(counter), words(key)) == words(expected)


@given(st.lists(WORD, min_size=4, max_size=4), st.lists(WORD, min_size=2, max_size=2))
def test_words_on_a_device_are_the_hosts(counter: list[int], key: list[int]) -> None:
    assert on_device(counter, key) == on_host(counter, key)


def test_each_counter_of_a_batch_gives_what_it_gives_alone() -> None:
    counters, keys = (torch.randint(2**32, shape) for shape in ((3, 4, 5), (3, 2)))
    together = counted_there.philox(counters, keys)
    for view, block in itertools.product(range(3), range(5)):
        assert together[view, :, block].tolist() == on_host(counters[view, :, block].tolist(), keys[view].tolist())


@given(VIEWS, st.lists(st.integers(1, 9), min_size=1, max_size=3))
def test_noise_on_a_device_is_the_hosts(key: tuple[int, ...], shape: list[int]) -> None:
    stream = counted_noise.stream_of(key)
    there = counted_there.normals(torch.from_numpy(stream[None]), tuple(shape))[0]
    np.testing.assert_allclose(there.numpy(), counted_noise.normals(stream, tuple(shape)), rtol=0, atol=1e-5)


def noise(key: tuple[int, ...], *shape: int) -> NDArray[np.float32]:
    return counted_noise.normals(counted_noise.stream_of(key), shape)


def test_the_noise_of_a_view_is_normal() -> None:
    numbers = noise((0, 1, 0, 0, 7), 200_001)
    assert kstest(numbers, "norm").pvalue > 0.01
    assert np.abs(numbers).max() > 4


def test_the_noise_at_one_place_is_normal_over_views() -> None:
    streams = [counted_noise.stream_of((0, epoch, 1, 0, index)) for epoch in range(50) for index in range(400)]
    numbers = counted_there.normals(torch.from_numpy(np.stack(streams)), (1,)).flatten()
    assert kstest(numbers.numpy(), "norm").pvalue > 0.01


def test_neither_neighbours_in_an_image_nor_those_of_one_block_go_together() -> None:
    blocks = noise((3, 1, 0, 0, 0), 4, 50_000).astype(np.float64)
    for numbers in (np.concatenate([blocks, np.roll(blocks, 1, 1)]), blocks**2):
        assert np.abs(np.corrcoef(numbers) - np.eye(len(numbers))).max() < 4 / 50_000**0.5


@given(VIEWS)
def test_what_names_the_noise_of_a_view_names_no_other_view(key: tuple[int, ...]) -> None:
    """The view can be read from it; and it goes into the words of a key and of a counter."""
    first, second, index, cycle, epoch = counted_noise.stream_of(key).tolist()
    assert (first + (second >> 2 << 32), epoch, second & 3, cycle, index) == key
    assert max(first, second, index, cycle, epoch) < 2**32


@given(VIEWS, st.integers(0, 4))
def test_views_that_differ_in_one_thing_have_other_noise(key: tuple[int, ...], place: int) -> None:
    other = tuple(value ^ (place == at) for at, value in enumerate(key))
    assert int((noise(key, 6, 6, 3) == noise(other, 6, 6, 3)).sum()) < 2  # floats may be equal by chance


def test_a_seed_of_more_bits_than_the_key_has_is_refused() -> None:
    with pytest.raises(UserError, match="takes seeds from 0 to 2\\*\\*62 - 1, but the seed is"):
        counted_noise.stream_of((2**62, 1, 0, 0, 0))
