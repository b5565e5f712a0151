"""DAN and JAN: their discrepancy rises over the run, or has full weight from the first step."""

import pytest
import torch

from dta_bench.check.method import SIDE, TARGETS, TRAINING, random_batch, small_network
from dta_bench.nn import learner
from dta_bench.nn.learner import Progress, Setting
from dta_bench.spec.method_plugin import method_plugin


@pytest.mark.parametrize(("method", "part"), [("dan", "mmd"), ("jan", "jmmd")])
@pytest.mark.parametrize(("ramp", "weight"), [(True, 0.0), (False, 0.5)])
def test_in_the_first_step_the_discrepancy_weighs(method: str, part: str, ramp: bool, weight: float) -> None:
    torch.manual_seed(0)
    plugin = method_plugin(method)
    params = plugin.params(plugin.defaults() | {"weight": 0.5, "discrepancy_ramp": ramp})
    one = learner.build(plugin, small_network("classification"), params, Setting(TRAINING, 5, (3, SIDE, SIDE), TARGETS))
    one.at = Progress(1, 0, 10)
    parts = one.loss(*random_batch("classification"))
    torch.testing.assert_close(parts["total"] - parts["task"], weight * parts[part], atol=1e-6, rtol=1e-4)
    assert parts[part] > 0
