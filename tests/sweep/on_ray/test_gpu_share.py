"""Runs that share a GPU fit on it together, and there is no room for one more."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dta_bench.cli.arguments import parse_gpus_per_run
from dta_bench.errors import UserError
from dta_bench.sweep.on_ray.gpu_share import CUDA_CONTEXT, FRAGMENTATION, MAX_RUNS, bytes_of_run, gpus_per_run

GIB = 2**30


@given(st.integers(10**6, 40 * GIB), st.sampled_from([16 * GIB, 24 * GIB, 80 * GIB]))
def test_as_many_runs_share_a_gpu_as_fit(needed: int, total: int) -> None:
    one = FRAGMENTATION * needed + CUDA_CONTEXT
    if one > total:
        with pytest.raises(UserError, match="GiB of GPU memory"):
            gpus_per_run(needed, total)
        return
    together = int(1 / gpus_per_run(needed, total))
    assert together * one <= total
    assert together == MAX_RUNS or (together + 1) * one > total


def test_a_step_needs_more_than_its_weights_and_more_for_a_larger_batch() -> None:
    training = {"epochs": 1, "learning_rate": 1e-3, "batch_size": 16, "optimizer": "sgd"}
    network = {"benchmark": "fonts_digits", "backbone": "conv3_fc2", "methods": {"source_only": {}}}
    cpu = torch.device("cpu")
    small, large = (bytes_of_run(network, training | {"batch_size": size}, cpu) for size in (16, 64))
    adam = bytes_of_run(network, training | {"optimizer": "adam"}, cpu)
    from dta_bench.nn.pretrained import backbone

    weights = sum(p.nbytes for p in backbone("conv3_fc2", (28, 28)).build(10).parameters())
    assert small > weights
    assert large > small
    assert adam - small == weights


@pytest.mark.parametrize(("given", "means"), [(None, None), ("auto", "auto"), ("0.25", 0.25), ("0", 0.0)])
def test_the_option_takes_a_number_or_auto(given: str | None, means: object) -> None:
    assert parse_gpus_per_run(given) == means


@pytest.mark.parametrize("given", ["half", "-1", "nan", "inf", ""])
def test_the_option_takes_nothing_else(given: str) -> None:
    with pytest.raises(UserError, match="neither a number from 0 up nor auto"):
        parse_gpus_per_run(given)
