"""What a step holds at its peak: followed storage by storage, and told for every card."""

import copy

import torch
from torch import nn

from dta_bench.cost import peak_memory
from dta_bench.cost.peak_memory import CARDS, MemoryNeed, _LiveBytes, memory_needs, peak_bytes
from dta_bench.cost.step import META, SOURCE_ONLY, BatchShape, ConfiguredMethod
from dta_bench.methods import source_only
from dta_bench.nn.network import Network
from dta_bench.spec.method_plugin import method_plugin

SMALL = BatchShape("segmentation", 5, 2, 3, (32, 48))


def network(width: int = 8) -> Network:
    layer = (nn.Conv2d(width, width, 3, padding=1), nn.Tanh())
    blocks = [nn.Sequential(*layer, *copy.deepcopy(layer), *copy.deepcopy(layer)) for _ in range(2)]
    body = nn.Sequential(nn.Sequential(nn.Conv2d(3, width, 3, padding=1)), *blocks)
    return Network(body, nn.Identity(), nn.Conv2d(width, 5, 1))


def test_the_peak_of_known_allocations_is_known() -> None:
    """Two maps of 4,000 bytes live at once, then one of them and a view, which costs nothing, then two again."""
    live = _LiveBytes()
    with live:
        first = torch.empty(1000, device=META)
        second = first * 2
        assert live.peak == 8000
        del first
        third = second.view(10, 100)
        second.add_(1)
        assert live.peak == 8000
        fourth = third + 1
    assert live.peak == 8000
    del second, third, fourth
    assert live._now == 0


def test_a_step_holds_weights_gradients_momentum_and_activations() -> None:
    twin = network().to(META)
    weights = sum(4 * p.numel() for p in twin.parameters())
    activations = 4 * 2 * 32 * 48 * (8 * 7 + 5)  # what seven layers of width 8 and the head leave for the way back
    assert peak_bytes(twin, SOURCE_ONLY, SMALL) > 3 * weights + activations


def test_memory_grows_by_the_same_for_every_further_image() -> None:
    found = {
        n.images: n.bytes for n in memory_needs(network(), [SOURCE_ONLY], SMALL, [4, 8, 12]) if not n.checkpointing
    }
    assert abs((found[12] - found[8]) - (found[8] - found[4])) < 0.01 * found[4]


def test_recomputing_needs_less_and_the_network_stays_as_it_was() -> None:
    net = network()
    kinds = [type(module) for module in net.modules()]
    case = ConfiguredMethod(method_plugin("source_only"), source_only.Params())
    kept, again = memory_needs(net, [case], SMALL, [8])
    assert again.checkpointing
    assert again.bytes < 0.9 * kept.bytes
    assert [type(module) for module in net.modules()] == kinds


def test_what_fits_is_the_smallest_card_with_room_for_slack() -> None:
    assert MemoryNeed("dta", 1, False, 2**30).smallest_card == CARDS[0]
    assert MemoryNeed("dta", 1, False, 8 * 2**30).smallest_card == CARDS[1]
    assert MemoryNeed("dta", 1, False, 100 * 2**30).smallest_card is None
    assert peak_memory.SLACK > 1
