"""The best flips in a stack are those of one head, however they are found."""

from __future__ import annotations

import pytest
import torch

from dta_bench.nn.adversarial_dropout import flip_bits
from dta_bench.nn.stacked import losses


@pytest.mark.parametrize("few", [0, 1000])
@pytest.mark.parametrize("has_ties", [False, True])
def test_the_flips_are_those_that_one_head_takes(few: int, has_ties: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "FEW", few)
    impact = torch.randn(4, 5, 60, generator=torch.Generator().manual_seed(0))
    if has_ties:
        impact = impact.mul(2).round().div(2)
    flips = torch.tensor([0, 1, 17, 60])
    mask = losses._flip(impact, flips)
    for member, flip in enumerate(flips.tolist()):
        own = impact[member]
        expected = flip_bits(torch.ones_like(own), own, flip / 60)
        assert torch.equal(mask[member].sum(1), expected.sum(1))
        assert torch.allclose((own * mask[member]).sum(1), (own * expected).sum(1), atol=1e-6)
        if not has_ties:
            assert torch.equal(mask[member], expected)
