"""MinEnt, AdaptSegNet, AdvEnt and FDA: values by hand, an independent Fourier transform, and who moves when."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from drawn_streets import loss_falls
from torch import Tensor

from dta_bench.check.method import random_batch, small_learner
from dta_bench.methods import adaptsegnet, advent, fda, minent
from dta_bench.nn.learner import Progress
from dta_bench.spec.method_plugin import method_plugin

P = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4], [0.05, 0.05, 0.9]], dtype=torch.float64)
MAPS = P.log()[:, :, None, None].expand(4, 3, 2, 5)


def test_the_self_information_of_a_pixel_by_hand() -> None:
    found = advent.self_information(MAPS)[0, :, 1, 2]
    assert found.tolist() == pytest.approx([0.227262, 0.292995, 0.209590], abs=1e-6)
    assert found.sum().item() == pytest.approx(0.729847, abs=1e-6)


def test_self_information_sums_to_1_for_uniform_predictions_and_to_0_for_one_hot_ones() -> None:
    even, sure = torch.zeros(1, 7, 2, 2), torch.zeros(1, 7, 2, 2)
    sure[:, 3] = 1000.0
    assert advent.self_information(even).sum(1).tolist() == [[pytest.approx([1, 1])] * 2]
    assert advent.self_information(sure).abs().max() == 0


def test_minent_adds_the_mean_entropy_as_a_share_of_the_largest_possible() -> None:
    net, (source, target) = (
        small_learner(method_plugin("minent"), "segmentation").net.eval(),
        random_batch("segmentation"),
    )
    parts = minent.loss(net, source, target, 1, minent.Params(weight=0.1))
    p = net(target.images).softmax(1)
    share = -(p * p.log()).sum(1).mean() / math.log(p.shape[1])
    assert parts["entropy"].item() == pytest.approx(share.item(), abs=1e-5)
    assert parts["total"].item() == pytest.approx((parts["task"] + 0.1 * share).item(), abs=1e-5)


@pytest.mark.parametrize("method", ["adaptsegnet", "advent", "minent", "fda"])
def test_without_its_weight_the_network_takes_the_step_of_source_only(method: str) -> None:
    off = {"fda": {"entropy_weight": 0.0}}.get(method, {"weight": 0.0})
    plugin, (source, target) = method_plugin(method), random_batch("segmentation")
    learner, alone = small_learner(plugin, "segmentation"), small_learner(method_plugin("source_only"), "segmentation")
    learner.params = plugin.params_type(**off)
    if method == "fda":  # whose images are the source's own where both domains are one
        target = type(target)(source.images, None, target.index)
    for each in (learner, alone):
        each.eval()  # no dropout, whose draws the methods do not share
        each.step(source, target)
    for found, wanted in zip(learner.net.parameters(), alone.net.parameters(), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-3, atol=2e-5)


def test_the_map_discriminator_has_a_thirty_second_of_the_sides_and_no_more_layers_than_fit() -> None:
    judge = adaptsegnet.build_map_discriminator(19, 64, 128)
    assert judge(torch.zeros(2, 19, 128, 256)).shape == (2, 1, 4, 8)
    widths = [layer.out_channels for layer in judge if isinstance(layer, torch.nn.Conv2d)]
    assert widths == [64, 128, 256, 512, 1]
    assert adaptsegnet.build_map_discriminator(5, 8, 16)(torch.zeros(1, 5, 16, 16)).shape == (1, 1, 1, 1)


@pytest.mark.parametrize("method", ["adaptsegnet", "advent"])
def test_first_only_the_network_is_updated_then_only_the_discriminator_on_maps_without_a_gradient(method: str) -> None:
    learner = small_learner(method_plugin(method), "segmentation")
    learner.take(*random_batch("segmentation"))
    for players, loss in learner.phases():
        before = {name: weight.clone() for name, weight in learner.named_parameters()}
        learner.gradients(players, loss)
        assert all(not maps.requires_grad for pair in learner._maps for maps in pair)
        others = [w for name, w in learner.named_parameters() if not name.startswith(players[0])]
        assert all(weight.grad is None for weight in others)
        learner.update(players)
        moved = {n.split(".")[0] for n, weight in learner.named_parameters() if not torch.equal(weight, before[n])}
        assert moved == set(players)


def test_the_networks_phase_makes_the_discriminator_take_the_target_for_the_source() -> None:
    learner, (source, target) = (
        small_learner(method_plugin("adaptsegnet"), "segmentation"),
        random_batch("segmentation"),
    )
    learner.params = adaptsegnet.Params(weight=100.0)
    learner.eval()
    with torch.no_grad():
        before = learner.judge(learner.discriminator_input(learner.net(target.images))).mean()
    for _ in range(20):
        learner.take(source, target)
        learner._maps = []
        learner.gradients(("net",), learner.network_loss)
        learner.update(("net",))
    with torch.no_grad():
        assert learner.judge(learner.discriminator_input(learner.net(target.images))).mean() > before


# FDA


def images(seed: int, *shape: int) -> Tensor:
    """Values from 0 to 255, as the authors transform them."""
    return 255 * torch.rand(2, 3, *shape, generator=torch.Generator().manual_seed(seed))


def by_the_shifted_square(source: np.ndarray, target: np.ndarray, beta: float) -> np.ndarray:
    """The authors' numpy form: the full transform, shifted, a centred square of side 2 b + 1 swapped."""
    f_s, f_t = (np.fft.fftshift(np.fft.fft2(x, axes=(-2, -1)), axes=(-2, -1)) for x in (source, target))
    height, width = source.shape[-2:]
    b = int(np.floor(min(height, width) * beta))
    rows, columns = (slice(side // 2 - b, side // 2 + b + 1) for side in (height, width))
    amplitude = np.abs(f_s)
    amplitude[..., rows, columns] = np.abs(f_t)[..., rows, columns]
    back = np.fft.ifft2(np.fft.ifftshift(amplitude * np.exp(1j * np.angle(f_s)), axes=(-2, -1)), axes=(-2, -1))
    assert np.abs(back.imag).max() < 1e-6
    return back.real


@pytest.mark.parametrize("beta", [0.0, 0.05, 0.2])
@pytest.mark.parametrize("shape", [(16, 32), (15, 21)])
def test_the_low_amplitudes_are_those_of_the_target(beta: float, shape: tuple[int, int]) -> None:
    source, target = images(0, *shape), images(1, *shape)
    wanted = by_the_shifted_square(source.double().numpy(), target.double().numpy(), beta)
    np.testing.assert_allclose(fda.transfer_low_frequencies(source, target, beta).numpy(), wanted, atol=1e-2)


def test_an_image_is_not_changed_by_itself() -> None:
    found = fda.transfer_low_frequencies(images(0, 20, 30), images(0, 20, 30), 0.1)
    torch.testing.assert_close(found, images(0, 20, 30), atol=1e-3, rtol=0)


def test_the_smallest_square_of_frequencies_changes_only_the_channel_means() -> None:
    source, target = images(0, 32, 64), images(1, 32, 64) / 2
    found = fda.transfer_low_frequencies(source, target, 0.01)
    torch.testing.assert_close(found.mean((2, 3)), target.mean((2, 3)))
    difference = found - source
    torch.testing.assert_close(
        difference, difference.mean((2, 3), keepdim=True).expand_as(difference), atol=1e-3, rtol=0
    )


def test_standardised_images_are_transformed_like_those_they_were_made_from() -> None:
    source, target = images(0, 24, 40), images(1, 24, 40)
    mean, deviation = (torch.tensor(of).view(-1, 1, 1) for of in ([123.7, 116.3, 103.5], [58.4, 57.1, 57.4]))
    wanted = (fda.transfer_low_frequencies(source, target, 0.1) - mean) / deviation
    found = fda.transfer_low_frequencies((source - mean) / deviation, (target - mean) / deviation, 0.1)
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=0)


def test_the_robust_entropy_by_hand() -> None:
    assert fda.robust_entropy(MAPS, 2.0).item() == pytest.approx(0.344983, abs=1e-6)


def test_fdas_entropy_starts_after_its_share_of_the_run() -> None:
    learner = small_learner(method_plugin("fda"), "segmentation")
    for iteration, comes in ((33, False), (34, True)):
        learner.at = Progress(1, iteration, 100)
        assert bool(learner.loss(*random_batch("segmentation"))["entropy"]) is comes


@pytest.mark.parametrize("method", ["minent", "adaptsegnet", "advent", "fda", "dann", "mcd", "adr"])
def test_its_loss_falls_on_drawn_streets(method: str) -> None:
    assert loss_falls(method, **({"width": 8} if method in ("adaptsegnet", "advent") else {}))
