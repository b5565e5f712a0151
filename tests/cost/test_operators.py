"""Where time and FLOPs part: the parts add up to the whole difference, and operators are told apart."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from dta_bench.cost.operators import KINDS, REST, compare_steps, kind_of, seconds_by_kind

seconds = st.dictionaries(st.sampled_from([*KINDS, REST]), st.floats(1e-3, 1e3), min_size=1)
flops = st.dictionaries(st.sampled_from([*KINDS]), st.integers(1, 10**12), min_size=1)


@given(seconds, seconds, flops, flops)
def test_the_gaps_add_up_to_the_difference_of_the_ratios(
    mine: dict[str, float], other: dict[str, float], did: dict[str, int], others: dict[str, int]
) -> None:
    ratio_of_times = sum(mine.values()) / sum(other.values())
    ratio_of_flops = sum(did.values()) / sum(others.values())
    found = sum(part.gap for part in compare_steps(mine, other, did, others))
    assert found == pytest.approx(
        ratio_of_times - ratio_of_flops, rel=1e-6, abs=1e-6 * (ratio_of_times + ratio_of_flops)
    )


def test_a_step_with_the_same_speed_everywhere_has_no_gap() -> None:
    parts = compare_steps(
        {"BatchNorm": 2.0, "matrix product": 6.0}, {"BatchNorm": 1.0, "matrix product": 3.0}, {"a": 20}, {"a": 10}
    )
    assert [part.gap for part in parts] == [0.0, 0.0]
    assert [part.kind for part in parts] == ["matrix product", "BatchNorm"]


@pytest.mark.parametrize(
    ("operator", "kind"),
    [
        ("aten::mkldnn_convolution", "convolution, forward"),
        ("aten::convolution_backward", "convolution, backward"),
        ("aten.convolution_backward", "convolution, backward"),
        ("aten::native_batch_norm_backward", "BatchNorm"),
        ("aten::addmm", "matrix product"),
        ("aten::add_", "sums and products"),
        ("aten::_fused_sgd_", "optimiser"),
        ("aten::empty_strided", REST),
    ],
)
def test_operators_are_told_apart_by_name(operator: str, kind: str) -> None:
    assert kind_of(operator) == kind


def test_a_traced_step_shows_what_it_is_made_of() -> None:
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 6 * 6, 2))
    images = torch.randn(3, 1, 8, 8)
    forward, both = seconds_by_kind(
        [lambda: net(images), lambda: net(images).sum().backward()], rounds=1, device=torch.device("cpu")
    )
    assert {"convolution, forward", "BatchNorm", "matrix product"} <= forward.keys()
    assert "convolution, backward" not in forward
    assert both["convolution, backward"] > 0
