"""Copies of a network: moving averages and new random weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dta_bench.nn.teachers import frozen_copy, reinitialised_copy, update_moving_average, warmed_up_decay


def test_a_moving_average_goes_a_share_of_the_way_to_the_student() -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    average, old = frozen_copy(net), [p.detach().clone() for p in net.parameters()]
    with torch.no_grad():
        for weight in net.parameters():
            weight.add_(torch.randn_like(weight))
    net(torch.randn(4, 3))
    update_moving_average(average, net, 0.9)
    for before, after, moved in zip(old, net.parameters(), average.parameters(), strict=True):
        torch.testing.assert_close(moved - before, 0.1 * (after - before))
        assert not moved.requires_grad
    assert not torch.equal(average[1].running_mean, net[1].running_mean)
    update_moving_average(average, net, 0.0, buffers=True)
    assert all(torch.equal(a, b) for a, b in zip(average.state_dict().values(), net.state_dict().values(), strict=True))


@pytest.mark.parametrize(("iteration", "expected"), [(0, 0), (1, 0.5), (9, 0.9), (99, 0.99), (10**6, 0.99)])
def test_the_decay_is_warmed_up_from_0_at_the_first_iteration(iteration: int, expected: float) -> None:
    assert warmed_up_decay(0.99, iteration) == pytest.approx(expected)


def test_a_reinitialised_copy_has_the_same_shapes_and_other_weights() -> None:
    head = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    other = reinitialised_copy(head)
    assert [p.shape for p in other.parameters()] == [p.shape for p in head.parameters()]
    assert not any(torch.equal(new, old) for new, old in zip(other.parameters(), head.parameters(), strict=True))
