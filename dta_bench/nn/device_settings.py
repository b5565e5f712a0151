"""How the device computes a run: TF32, cuDNN's search for fast algorithms, the layout of images, compiled parts."""

from __future__ import annotations

import os

import torch
from torch import nn

from dta_bench.errors import UserError
from dta_bench.nn.network import Network
from dta_bench.spec.training import Training

BACKEND = "inductor"
MOST_GRAPHS = 64
"""So many graphs one part of a network may need: its modes times which of its statistics, weights and inputs move."""
COMPILER_FAILS = ("torch._dynamo", "torch._inductor")
OF_CUDA_GRAPHS = ("CUDAGraphs", "CUDA graph")
DOUBLE_BACKWARD = "does not currently support double backward"
NOT_DETERMINISTIC = "does not have a deterministic implementation"


def use_settings(training: Training, device: torch.device) -> None:
    """Set for this process how its device computes from now on; on a CPU only ``deterministic`` matters."""
    if training.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS has no other deterministic way
    if training.deterministic != torch.are_deterministic_algorithms_enabled():  # setting it imports for seconds
        torch.use_deterministic_algorithms(training.deterministic)
    if device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = training.tf32
        torch.backends.cudnn.benchmark = not training.deterministic


def describe_settings(training: Training, device: torch.device) -> str:
    """Say how the device computes; empty where nothing could be otherwise."""
    said = ["deterministic algorithms alone"] if training.deterministic else []
    if device.type == "cuda":
        said.append(f"TF32 {'on' if training.tf32 else 'off'}")
        said.append(f"cuDNN {'does not search' if training.deterministic else 'searches'} for the fastest algorithms")
        if not training.channels_last and not training.keeps_features:
            last = training.gpu_layout == "channels_last"
            said.append("channels last in convolutional networks" if last else "channels before height and width")
    graphs = " and repeated as CUDA graphs" if _has_cuda_graphs(training, device) else ""
    return "; ".join([*said, *([f"body, neck and head compiled{graphs}"] if training.compile else [])])


def _has_cuda_graphs(training: Training, device: torch.device) -> bool:
    return training.compile == "reduce_overhead" and device.type == "cuda"


def puts_channels_last(training: Training, device: torch.device, network: Network) -> bool:
    """Whether images lie in memory with the channels last: as asked, and by default for convolutions on a GPU.

    The network is convolutional if it has convolutions and its activation at CAdD's site is a map with its channels
    first, so transformers that cut an image into patches are not.
    """
    if training.channels_last or device.type != "cuda" or training.keeps_features:
        return training.channels_last
    is_convolutional = network.feature_axis == 1 and any(isinstance(part, nn.Conv2d) for part in network.modules())
    return is_convolutional and training.gpu_layout == "channels_last"


def compile_parts(network: Network, training: Training) -> None:
    """Let torch.compile compile the body, the neck and the head, each when it is first used in a new way.

    The names of the weights stay. A copy of the network (a teacher) is not compiled. Dropout draws are those of a
    network that is not compiled.

    Args:
        training: whose ``compile`` is not False.
    """
    import torch._dynamo.config
    import torch._inductor.config
    from torch._dynamo.utils import counters

    torch._dynamo.reset()  # graphs of a run before this one in the same process
    counters.clear()
    torch._dynamo.config.recompile_limit = MOST_GRAPHS
    torch._dynamo.config.fail_on_recompile_limit_hit = True  # else it goes on uncompiled
    torch._inductor.config.fallback_random = True
    mode = {"mode": "reduce-overhead"} if training.compile == "reduce_overhead" else {}
    for part in (network.body, network.neck, network.head):
        part.compile(backend=BACKEND, **mode)


def begin_step(training: Training, device: torch.device) -> None:
    """Say that a step begins: from here on CUDA graphs may write over what the step before has computed."""
    if _has_cuda_graphs(training, device):
        torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]


def count_graphs() -> int:
    """How many graphs were compiled since :func:`compile_parts`."""
    from torch._dynamo.utils import counters

    return int(counters["stats"]["unique_graphs"])


def describe_graphs(count: int) -> str:
    """Say how many graphs a run has compiled."""
    return (
        f"{count} graphs were compiled for body, neck and head; those beyond one for each part are for evaluation, "
        "other batch sizes, passes that move no statistics, and weights or inputs with and without a gradient"
    )


def refuse_in_words(error: Exception, method: str, training: Training) -> None:
    """Raise what the user can mend, if a step failed because of how the device is asked to compute.

    Raises:
        UserError: the method cannot be compiled or repeated as CUDA graphs, or has no deterministic algorithm.
    """
    said = (str(error).splitlines() or [""])[0]
    if training.deterministic and NOT_DETERMINISTIC in str(error):
        raise UserError(
            f"a step of {method} has no deterministic algorithm: {said}; give deterministic false"
        ) from error
    if training.compile == "reduce_overhead" and any(name in str(error) for name in OF_CUDA_GRAPHS):
        raise UserError(
            f"{method} on this network cannot be repeated as CUDA graphs: {said}; give compile true"
        ) from error
    of_compiler = type(error).__module__.startswith(COMPILER_FAILS)
    if training.compile and (of_compiler or DOUBLE_BACKWARD in str(error)):
        raise UserError(f"{method} on this network cannot be compiled: {said}; give compile false") from error
