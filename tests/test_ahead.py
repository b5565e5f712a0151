"""Work made ahead: the same parts in the same order whoever makes them, and errors as they were said."""

from collections.abc import Sequence

import numpy as np
import pytest

from dta_bench import ahead
from dta_bench.errors import UserError


def part(i: int) -> dict[str, Sequence[np.ndarray]]:
    rng = np.random.default_rng(i)
    return {
        "images": list(rng.integers(0, 256, (1 + i % 3, 5, 7, 3), dtype=np.uint8)),  # the last batch may be short
        "labels": [np.asarray(i), np.asarray(-i)],
        "floats": list(rng.random((2, 3), dtype=np.float32)),
    }


@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize("order", [[], [4], [3, 1, 2], list(range(20))])
def test_parts_come_in_order_as_they_were_made(workers: int, order: list[int]) -> None:
    seen = []
    for i, found in ahead.made(part, order, workers):
        seen.append(i)
        for name, arrays in part(i).items():
            assert np.array_equal(np.stack(list(found[name])), np.stack(arrays))
            assert np.asarray(found[name][0]).dtype == arrays[0].dtype
    assert seen == order


def test_a_part_larger_than_the_first_comes_too() -> None:
    def growing(i: int) -> dict[str, Sequence[np.ndarray]]:
        return {"x": [np.full((i + 1, 1000), i, dtype=np.uint8)]}

    found = [np.stack(list(parts["x"])) for _, parts in ahead.made(growing, range(9), 1)]
    assert [array.shape[1] for array in found] == list(range(1, 10))
    assert [array.max() for array in found] == list(range(9))


def test_a_part_is_left_alone_until_the_next_is_asked_for() -> None:
    for i, found in ahead.made(part, range(30), 2):
        before = {name: np.stack(list(arrays)) for name, arrays in found.items()}
        sum(np.random.default_rng(0).random(20_000))  # the workers go on meanwhile
        assert all(np.array_equal(np.stack(list(found[name])), before[name]) for name in before), i


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_of_the_users_comes_as_it_was_said_after_the_parts_before(workers: int) -> None:
    def broken(i: int) -> dict[str, Sequence[np.ndarray]]:
        if i == 5:
            raise UserError("5.jpg cannot be read")
        return part(i)

    parts = ahead.made(broken, range(9), workers)
    assert [next(parts)[0] for _ in range(5)] == list(range(5))
    with pytest.raises(UserError, match=r"^5\.jpg cannot be read$"):
        next(parts)
