"""How the device computes: flags of the process, parts that are compiled and give the same, and refusals in words."""

from collections.abc import Iterator

import pytest
import torch
from small_runs import spec_of
from torch import nn

from dta_bench.errors import UserError
from dta_bench.nn import device_settings
from dta_bench.nn.device_settings import (
    begin_step,
    compile_parts,
    count_graphs,
    describe_settings,
    puts_channels_last,
    refuse_in_words,
    use_settings,
)
from dta_bench.nn.network import Network, evaluating, frozen_statistics
from dta_bench.spec.training import Training

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture(autouse=True)
def flags_as_they_were() -> Iterator[None]:
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark = before


def training(**fields: object) -> Training:
    return Training(**spec_of().training.model_dump() | fields)


@pytest.mark.parametrize("tf32", [True, False])
@pytest.mark.parametrize("deterministic", [True, False])
def test_a_gpu_computes_as_the_training_says_whatever_the_run_before_said(
    tf32: bool, deterministic: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    algorithms = [False]  # torch's own switch imports its compiler
    monkeypatch.setattr(torch, "use_deterministic_algorithms", lambda on: algorithms.append(on))
    monkeypatch.setattr(torch, "are_deterministic_algorithms_enabled", lambda: algorithms[-1])
    use_settings(training(tf32=not tf32, deterministic=not deterministic), CUDA)
    use_settings(training(tf32=tf32, deterministic=deterministic), CUDA)
    assert torch.backends.cuda.matmul.allow_tf32 == torch.backends.cudnn.allow_tf32 == tf32
    assert algorithms[-1] == deterministic
    assert torch.backends.cudnn.benchmark != deterministic


def test_the_settings_are_said_in_words() -> None:
    assert describe_settings(training(), CPU) == ""
    assert describe_settings(training(), CUDA) == (
        "TF32 on; cuDNN searches for the fastest algorithms; channels last in convolutional networks"
    )
    said = describe_settings(training(tf32=False, deterministic=True, compile=True, gpu_layout="contiguous"), CUDA)
    assert said == (
        "deterministic algorithms alone; TF32 off; cuDNN does not search for the fastest algorithms; "
        "channels before height and width; body, neck and head compiled"
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [("tf32", False), ("deterministic", True), ("compile", True), ("compile", "reduce_overhead"),
     ("data_on_device", True), ("data_on_device", False),
     ("gpu_layout", "contiguous"), ("noise", "counted")],
)  # fmt: skip
def test_a_setting_at_its_default_leaves_the_identity_and_another_value_does_not(name: str, value: object) -> None:
    spec = spec_of()
    fields = spec.to_dict()
    other = fields | {"training": fields["training"] | {name: value}}
    without = fields | {"training": {k: v for k, v in fields["training"].items() if k != name}}
    assert type(spec).from_dict(without).id == spec.id != type(spec).from_dict(other).id


def test_compile_and_checkpointing_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="allowed: it or checkpointing"):
        training(compile=True, checkpointing=True)


def test_kept_features_have_no_counted_noise() -> None:
    with pytest.raises(ValueError, match="on kept features views are made once and kept"):
        training(noise="counted", tune="head", views=2)
    assert training(noise="counted", tune="head", views="fresh").noise == "counted"


@pytest.mark.parametrize(
    ("fields", "device", "last"),
    [({}, CUDA, True), ({}, CPU, False), ({"gpu_layout": "contiguous"}, CUDA, False),
     ({"channels_last": True}, CPU, True), ({"gpu_layout": "contiguous", "channels_last": True}, CUDA, True),
     ({"tune": "head"}, CUDA, False)],
)  # fmt: skip
def test_a_convolutional_network_has_its_channels_last_on_a_gpu(
    fields: dict[str, object], device: torch.device, last: bool
) -> None:
    assert puts_channels_last(training(**fields), device, small_network()) == last


def test_a_network_of_tokens_keeps_its_layout_on_a_gpu() -> None:
    tokens = small_network()
    tokens.feature_axis = 2
    assert not puts_channels_last(training(), CUDA, tokens)
    plain = Network(nn.Linear(2, 2), nn.Identity(), nn.Linear(2, 2))
    assert not puts_channels_last(training(), CUDA, plain)


def small_network() -> Network:
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    return Network(body, nn.Sequential(nn.Flatten(), nn.Dropout(0.5)), nn.Linear(2 * 4 * 4, 3))


def test_compiled_parts_give_the_same_and_their_graphs_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Traced by Dynamo and run by torch, which needs no compiler; make test-slow compiles."""
    monkeypatch.setattr(device_settings, "BACKEND", "eager")
    images, found = torch.randn(5, 1, 6, 6), list[list[torch.Tensor]]()
    for compiled in (False, True):
        net = small_network()
        if compiled:
            compile_parts(net, training(compile=True))
        torch.manual_seed(1)
        net(images).square().sum().backward()
        with frozen_statistics(net.body), torch.no_grad():
            net(images)
        with evaluating(net), torch.no_grad():
            logits = net(images)
        found.append([logits, *(weight.grad for weight in net.parameters() if weight.grad is not None), *net.buffers()])
        assert list(net.state_dict()) == list(small_network().state_dict())
    for plain, same in zip(*found, strict=True):
        torch.testing.assert_close(same, plain)
    assert count_graphs() > 3


@pytest.mark.parametrize(("compile_", "mode"), [(True, {}), ("reduce_overhead", {"mode": "reduce-overhead"})])
def test_each_part_is_compiled_in_the_mode_that_is_asked_for(
    compile_: object, mode: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[dict[str, str]]()
    monkeypatch.setattr(nn.Module, "compile", lambda _, **given: asked.append(given))
    compile_parts(small_network(), training(compile=compile_))
    assert asked == [{"backend": "inductor"} | mode] * 3


def test_graphs_of_a_gpu_are_told_where_a_step_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    told = list[str]()
    monkeypatch.setattr(torch.compiler, "cudagraph_mark_step_begin", lambda: told.append("a step"))
    begin_step(training(compile=True), CUDA)
    begin_step(training(compile="reduce_overhead"), CPU)
    assert told == []
    begin_step(training(compile="reduce_overhead"), CUDA)
    assert told == ["a step"]
    assert describe_settings(training(compile="reduce_overhead"), CPU) == "body, neck and head compiled"
    assert describe_settings(training(compile="reduce_overhead"), CUDA).endswith("compiled and repeated as CUDA graphs")


def test_what_cannot_be_repeated_as_cuda_graphs_is_refused_in_words() -> None:
    error = RuntimeError("Error: accessing tensor output of CUDAGraphs that has been overwritten by a subsequent run.")
    with pytest.raises(
        UserError, match=r"mine on this network cannot be repeated as CUDA graphs: .*; give compile true"
    ):
        refuse_in_words(error, "mine", training(compile="reduce_overhead"))
    refuse_in_words(error, "mine", training(compile=True))


class FailsInTheCompiler(Exception):
    pass


FailsInTheCompiler.__module__ = "torch._dynamo.exc"


def test_what_cannot_be_compiled_is_refused_in_words() -> None:
    compiled = training(compile=True)
    for error in (
        FailsInTheCompiler("call to mystery"),
        RuntimeError("torch.compile with aot_autograd does not currently support double backward"),
    ):
        with pytest.raises(UserError, match=r"mine on this network cannot be compiled: .*; give compile false"):
            refuse_in_words(error, "mine", compiled)


def test_what_has_no_deterministic_algorithm_is_refused_in_words() -> None:
    error = RuntimeError("adaptive_avg_pool2d_backward_cuda does not have a deterministic implementation")
    with pytest.raises(UserError, match=r"mine has no deterministic algorithm: adaptive_avg"):
        refuse_in_words(error, "mine", training(deterministic=True))


def test_other_failures_stay_as_they_are() -> None:
    refuse_in_words(RuntimeError("shapes differ"), "mine", training(compile=True, deterministic=True))
