"""The error of a backbone that cannot be built."""

from __future__ import annotations

import pytest

from dta_bench.errors import UserError
from dta_bench.nn.pretrained import backbone


def error_of(name: str, weights: str = "none", size: tuple[int, int] = (64, 64)) -> str:
    """The one line that building a backbone for five classes fails with."""
    with pytest.raises(UserError) as refused:
        backbone(name, size).build(5, weights)
    message = str(refused.value)
    assert "\n" not in message
    return message
