"""Recomputed activations change memory and nothing else."""

import copy

import pytest
import torch
from torch import nn

from dta_bench.cost.measure import saved_bytes
from dta_bench.cost.step import BatchShape, ConfiguredMethod
from dta_bench.methods import dta
from dta_bench.nn.activation_checkpointing import recompute_activations
from dta_bench.nn.network import Labelled, Network, Unlabelled
from dta_bench.nn.pretrained import backbone
from dta_bench.spec.method_plugin import method_plugin

SIZE = (64, 64)
DTA = dta.Params(delta_c=0.1, delta_e=0.1, ramp_up_epochs=1, start="stochastic", lambda_3=0.1, epsilon=1.0)
SLOW = ["smp/segformer/mit_b0", "fcn_resnet50", "fpn_swin_tiny", "upernet_convnext_tiny", "deeplabv3plus_resnet50"]
NAMES = ["unet_mini", "smp/unet/tu-test_resnet", *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]


def pair(name: str) -> tuple[Network, Network]:
    torch.manual_seed(0)
    plain = backbone(name, SIZE).build(5).train()
    recomputed = copy.deepcopy(plain)
    assert recompute_activations(recomputed) > 2
    return plain, recomputed


def stepped(net: Network) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    source = Labelled(torch.randn(2, 3, *SIZE), torch.randint(5, (2, *SIZE)))
    terms = dta.loss(net, source, Unlabelled(torch.randn(2, 3, *SIZE)), 1, DTA)
    terms["total"].backward()
    return {name: value.detach() for name, value in terms.items()}


@pytest.mark.parametrize("name", NAMES)
def test_losses_gradients_and_running_statistics_are_those_of_a_plain_step(name: str) -> None:
    plain, recomputed = pair(name)
    expected, found = stepped(plain), stepped(recomputed)
    for term, value in expected.items():
        torch.testing.assert_close(found[term], value, msg=term)
    for (key, weight), other in zip(plain.named_parameters(), recomputed.parameters(), strict=True):
        torch.testing.assert_close(other.grad, weight.grad, msg=key)
    for (key, buffer), other in zip(plain.named_buffers(), recomputed.buffers(), strict=True):
        torch.testing.assert_close(other, buffer, msg=key)


def test_two_gradients_of_one_pass_are_those_of_a_plain_pass() -> None:
    """As a mask's impact is found before the step's own gradient."""
    plain, recomputed = pair("unet_mini")
    images, found = torch.randn(2, 3, *SIZE, requires_grad=True), []
    for net in (plain, recomputed):
        torch.manual_seed(1)
        total = net(images).square().mean()
        (impact,) = torch.autograd.grad(total, images, retain_graph=True)
        total.backward()
        found.append([impact, *(weight.grad for weight in net.parameters()), *net.buffers()])
    for expected, other in zip(*found, strict=True):
        torch.testing.assert_close(other, expected)


def test_a_copy_computes_by_its_own_weights() -> None:
    _, net = pair("unet_mini")
    twin = copy.deepcopy(net)
    with torch.no_grad():
        for weight in twin.parameters():
            weight.zero_()
    assert twin(torch.randn(2, 3, *SIZE)).abs().max() == 0
    assert net(torch.randn(2, 3, *SIZE)).abs().max() > 0


def test_less_is_stored_for_the_backward_pass() -> None:
    plain, recomputed = pair("unet_mini")
    batch, case = BatchShape("segmentation", 5, 2, 3, SIZE), ConfiguredMethod(method_plugin("dta"), DTA)
    assert saved_bytes(recomputed.to("meta"), case, batch) < 0.8 * saved_bytes(plain.to("meta"), case, batch)


def test_evaluation_recomputes_nothing_and_names_stay() -> None:
    plain, recomputed = pair("unet_mini")
    assert plain.state_dict().keys() == recomputed.state_dict().keys()
    images = torch.randn(1, 3, *SIZE)
    with torch.no_grad():
        assert torch.equal(plain.eval()(images), recomputed.eval()(images))
    assert isinstance(recomputed.body, nn.Module)
