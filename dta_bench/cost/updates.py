"""How often a method updates the same weights on one batch, counted on the meta device."""

from __future__ import annotations

import copy
import functools
from collections import Counter

from dta_bench.cost import measure
from dta_bench.cost.flops import built_network, meta_network
from dta_bench.cost.step import BatchShape, ConfiguredMethod, build_learner
from dta_bench.errors import UserError
from dta_bench.nn.network import Network
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.method_plugin import MethodPlugin
from dta_bench.spec.run_spec import RunSpec


def count(spec: RunSpec, method: MethodPlugin, benchmark: Benchmark) -> int:
    """Count the updates of the player that is updated most often in a step.

    Raises:
        UserError: the method fails.
    """
    net, shape = meta_network(benchmark, spec.backbone, spec.training)
    build = functools.partial(built_network, benchmark, spec.backbone, spec.training)
    configured = ConfiguredMethod(method, method.params(spec.params))
    try:
        return measure.on_meta_or_cpu(_updates, copy.deepcopy(net), build, configured, shape)
    except UserError:
        raise
    except Exception as error:  # a user's method may do anything
        raise UserError(f"the steps of {method.name} cannot be counted: {type(error).__name__}: {error}") from error


def _updates(net: Network, configured: ConfiguredMethod, shape: BatchShape) -> int:
    """How often the player is updated in a step that is updated most often."""
    learner = build_learner(net, configured.method, configured.params, shape)
    return max(Counter(player for players, _ in learner.phases() for player in players).values())
