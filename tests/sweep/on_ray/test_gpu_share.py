"""Runs that share a GPU fit on it together, and there is no room for one more."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dta_bench.cli.arguments import parse_gpus_per_run
from dta_bench.errors import UserError
from dta_bench.sweep.on_ray import gpu_share
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


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """A GPU of 4 GiB that is made up, and the job of measuring in a folder that is not this process's."""
    folder = tmp_path / "users"
    folder.mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(total_memory=4 * GIB))
    return {"networks": [{}], "training": {}, "cwd": str(folder), "shared_file": ""}


def test_it_is_measured_in_the_folder_of_the_command_where_the_users_plug_ins_lie(
    gpu: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = list[str]()
    monkeypatch.setattr(gpu_share, "bytes_of_run", lambda *_: seen.append(str(Path.cwd())) or GIB)
    assert gpu_share.measure_memory(gpu) == (GIB, 4 * GIB)
    assert seen == [gpu["cwd"]]


def test_a_run_that_does_not_fit_on_the_gpu_while_it_is_measured_is_refused_in_words(
    gpu: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_large(*_: object) -> int:
        raise torch.cuda.OutOfMemoryError

    monkeypatch.setattr(gpu_share, "bytes_of_run", too_large)
    with pytest.raises(UserError, match=r"needs about 4\.0 GiB of GPU memory, and the GPU has 4\.0; a smaller batch"):
        gpus_per_run(*gpu_share.measure_memory(gpu))


@pytest.mark.parametrize(
    ("cause", "says"),
    [
        (UserError("unknown backbone 'mine'"), r"^unknown backbone 'mine'$"),
        (ValueError("no kernel"), r"^--gpus-per-run auto could not measure a step: ValueError: no kernel$"),
    ],
)
def test_what_fails_on_the_machine_that_measures_is_one_sentence(
    cause: Exception, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    failed = ray.exceptions.RayTaskError("measure", f"Traceback\n  line\n{type(cause).__name__}: {cause}", cause)

    def get(_: object) -> None:
        raise failed.as_instanceof_cause()

    monkeypatch.setattr(ray, "get", get)
    with pytest.raises(UserError, match=says):
        gpu_share._result("measured")
