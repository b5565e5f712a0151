"""What operators give on the meta device: by the short way as by torch's own, and the same FLOPs of whole steps."""

from typing import Any

import pytest
import torch
from torch import Tensor

from dta_bench.cost import counters, measure
from dta_bench.cost.meta_results import aten, quick_result
from dta_bench.cost.step import BatchShape, ConfiguredMethod
from dta_bench.nn import pretrained
from dta_bench.spec.method_plugin import method_plugin

IMAGES, CHANNELS, PIXELS = 2, 3, 5


def meta(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.empty(shape, dtype=dtype, device="meta")


def maps(dtype: torch.dtype = torch.float32) -> Tensor:
    return meta(IMAGES, CHANNELS, PIXELS, PIXELS, dtype=dtype)


def of_channels() -> Tensor:
    return meta(CHANNELS)


def described(result: Any) -> Any:
    """Shapes, types and orders in memory."""
    if isinstance(result, Tensor):
        return tuple(result.shape), result.dtype, result.stride(), result.device.type
    return result if result is None else tuple(described(part) for part in result)


@pytest.mark.parametrize(
    ("operator", "arguments"),
    [
        (aten.add.Tensor, (maps(), maps())),
        (aten.mul.Tensor, (maps(torch.bfloat16), maps(torch.bfloat16))),
        (aten.threshold_backward.default, (maps(), maps(), 0)),
        *(
            (aten.native_batch_norm.default, (maps(), weight, weight, mean, mean, training, 0.1, 1e-5))
            for weight in (of_channels(), None)
            for mean, training in ((of_channels(), True), (None, True), (of_channels(), False))
        ),
        *(
            (
                aten.native_batch_norm_backward.default,
                (maps(), maps(), of_channels(), of_channels(), of_channels(), *kept, True, 1e-5, wanted),
            )
            for kept in ((of_channels(), of_channels()),)
            for wanted in ([True, True, True], [True, False, False])
        ),
    ],
)
def test_the_short_way_gives_what_torch_gives(operator: Any, arguments: tuple[Any, ...]) -> None:
    quick = quick_result(operator, arguments)
    assert quick is not None
    assert described(quick) == described(operator(*arguments))


@pytest.mark.parametrize(
    ("operator", "arguments"),
    [
        (aten.add.Tensor, (maps(), meta(1, CHANNELS, 1, 1))),  # it is broadcast
        (aten.add.Tensor, (maps(), maps(torch.float64))),  # its type is promoted
        (aten.mul.Tensor, (maps(), 2.0)),
        (aten.mul.Tensor, (maps().transpose(2, 3), maps())),
        (aten.add.Tensor, (torch.zeros(2), torch.zeros(2))),  # it has values
        (aten.native_batch_norm.default, (maps(), meta(7), meta(7), None, None, True, 0.1, 1e-5)),  # a mistake
        (aten.sub.Tensor, (maps(), maps())),
    ],
)
def test_what_is_not_plain_is_left_to_torch(operator: Any, arguments: tuple[Any, ...]) -> None:
    assert quick_result(operator, arguments) is None


@pytest.mark.parametrize("method", ["dta", "mcd"])
def test_whole_steps_have_the_same_flops(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = method_plugin(method)
    params = {"lambda_3": 0.1, "epsilon": 3.5} if method == "dta" else {}
    configured = ConfiguredMethod(plugin, plugin.params_type(**params))
    net = pretrained.backbone("timm/resnet18", (32, 32)).build_on_meta(4)
    shape = BatchShape("classification", 4, 2, 3, (32, 32))
    quick = measure.flops_by_operator(net, configured, shape)
    monkeypatch.setattr(counters, "quick_result", lambda *_: None)
    assert quick == measure.flops_by_operator(net, configured, shape)
