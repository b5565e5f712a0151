"""``profile memory`` counts the steps that a sweep could take."""

import pytest

from dta_bench.cli.arguments import options_of, plan_of
from dta_bench.cost.memory_table import memory_costs, pieces_of


@pytest.mark.parametrize(
    ("images", "pieces"),
    [
        (128, [4, 8, 16, 32, 64, 128]), (36, [1, 2, 4, 9, 18, 36]), (9, [1, 2, 4, 9]), (8, [1, 2, 4, 8]),
        (1, [1, 2, 4, 8]),
    ],
)  # fmt: skip
def test_a_piece_of_a_batch_and_its_halves_are_counted(images: int, pieces: list[int]) -> None:
    assert pieces_of(images) == pieces


def test_the_batch_of_the_sweep_is_among_them() -> None:
    plan = plan_of("fonts_digits", options_of(method=["source_only"], training=["batch_size=32", "accumulate=2"]))
    assert {row["images"] for row in memory_costs(plan, None)["rows"]} == {1, 2, 4, 8, 16}
