"""The cost of a step: FLOPs against closed forms, the paper's networks against the bars, and what a row says."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import nn

from dta_bench import plugins
from dta_bench.cost.measure import flops, saved_bytes
from dta_bench.cost.profile import profile, shares
from dta_bench.cost.step import SOURCE_ONLY, BatchShape, ConfiguredMethod
from dta_bench.methods import dta
from dta_bench.nn.network import Network
from dta_bench.spec.method_plugin import method_plugin

VISDA = {"lambda_2": 0.02, "lambda_3": 0.2, "delta_c": 0.01, "delta_e": 0.1, "epsilon": 15.0}
DIGITS = BatchShape("classification", 10, 4, 1, (28, 28))
DTA = ConfiguredMethod(method_plugin("dta"), dta.Params(lambda_3=0.0))


def digits_net() -> Network:
    net: Network = plugins.load("backbone", "conv3_fc2").build(10)
    return net.to("meta")


def test_flops_of_a_linear_network_are_those_of_its_matrix_products() -> None:
    net = Network(nn.Flatten(), nn.Linear(12, 7), nn.Linear(7, 5)).to("meta")
    batch = BatchShape("classification", 5, 3, 3, (2, 2))
    forward = 2 * 3 * (12 * 7 + 7 * 5)
    for_weights, for_hidden = forward, 2 * 3 * 7 * 5  # no gradient is asked for at the images
    assert flops(net, SOURCE_ONLY, batch) == forward + for_weights + for_hidden


def test_vat_costs_a_forward_pass_and_the_gradient_for_the_input_and_then_a_step() -> None:
    net = Network(nn.Flatten(), nn.Linear(12, 7), nn.Linear(7, 5)).to("meta")
    batch = BatchShape("classification", 5, 3, 3, (2, 2))
    off = ConfiguredMethod(method_plugin("dta"), dta.Params(delta_c=0.0, delta_e=0.0, lambda_3=0.0))
    extra = flops(net, off.changed({"lambda_3": 0.1}), batch) - flops(net, off, batch)
    one_pass = 2 * 3 * (12 * 7 + 7 * 5)
    assert extra == 2 * one_pass + flops(net, SOURCE_ONLY, batch)


def test_without_adversarial_terms_a_step_costs_two_source_only_steps() -> None:
    net, off = digits_net(), DTA.changed({"delta_c": 0.0, "delta_e": 0.0})
    assert flops(net, off, DIGITS) == 2 * flops(net, SOURCE_ONLY, DIGITS)


def test_flop_ratios_do_not_depend_on_the_batch() -> None:
    net = digits_net()
    ratio = {b: flops(net, DTA, shape) / flops(net, SOURCE_ONLY, shape) for b, shape in batches_of(4, 32).items()}
    assert ratio[4] == ratio[32]


def batches_of(*sizes: int) -> dict[int, BatchShape]:
    return {size: dataclasses.replace(DIGITS, size=size) for size in sizes}


@pytest.mark.parametrize(("name", "bar", "bar_with_vat"), [("resnet50", 2.15, 3.85), ("resnet101", 2.09, 3.76)])
@pytest.mark.parametrize("start", ["stochastic", "ones"])
def test_a_step_stays_below_the_bar_on_the_papers_networks(
    name: str, bar: float, bar_with_vat: float, start: str
) -> None:
    with torch.device("meta"):
        net = plugins.load("backbone", name).build(12)
    batch = BatchShape("classification", 12, 2, 3, (224, 224))
    base = flops(net, SOURCE_ONLY, batch)
    with_vat = ConfiguredMethod(method_plugin("dta"), dta.Params(**VISDA, start=start))  # type: ignore[arg-type]
    assert flops(net, with_vat.changed({"lambda_3": 0.0}), batch) / base <= bar
    assert flops(net, with_vat, batch) / base <= bar_with_vat


@pytest.mark.parametrize("method", ["dta", "dta_released"])
def test_the_shares_of_a_step_sum_to_one_and_name_the_terms_that_are_on(method: str) -> None:
    plugin = method_plugin(method)
    net = digits_net()
    found = shares(lambda one: flops(net, one, DIGITS), ConfiguredMethod(plugin, plugin.params_type(delta_c=0.0)))
    assert sum(found.values()) == pytest.approx(1)
    assert {"task", "target", "c_dta", "vat"} <= set(found)
    assert "f_dta" not in found
    assert all(share > 0 for share in found.values())


def test_what_autograd_keeps_grows_by_the_same_amount_with_every_image() -> None:
    net = digits_net()
    kept = {b: saved_bytes(net, DTA, shape) for b, shape in batches_of(4, 5, 6).items()}
    assert kept[6] - kept[5] == kept[5] - kept[4] > 0


def test_what_autograd_keeps_of_a_linear_network_is_known() -> None:
    net = Network(nn.Identity(), nn.Flatten(), nn.Linear(12, 5)).to("meta")
    # The images (3 x 12), the log-softmax (3 x 5), both float32; the labels (3, int64) and the total weight.
    assert saved_bytes(net, SOURCE_ONLY, BatchShape("classification", 5, 3, 3, (2, 2))) == 4 * (36 + 15) + 8 * 3 + 4


def test_every_method_has_a_row_without_and_with_vat() -> None:
    rows = profile(
        plugins.load("backbone", "conv3_fc2"), [method_plugin("source_only"), method_plugin("dta")],
        {"dta": {"lambda_3": 0.0, "epsilon": 0.0}},
        classes=10, batch=4, image_size=(28, 28), device=torch.device("cpu"), rounds=1,
    )  # fmt: skip
    assert [(row["method"], row["vat"]) for row in rows] == [("source_only", False), ("dta", False), ("dta", True)]
    assert rows[0]["flops_ratio"] == rows[0]["time_ratio"] == rows[0]["floor"] == 1
    assert [row["floor"] for row in rows[1:]] == [2, pytest.approx(2 + 5 / 3)]
    assert rows[0]["flops_ratio"] < rows[1]["flops_ratio"] < rows[2]["flops_ratio"]
    assert rows[0]["peak_memory_mib"] < rows[1]["peak_memory_mib"] < rows[2]["peak_memory_mib"]
    assert all(row["images_per_second"] > 0 for row in rows)


def test_segmentation_networks_are_measured_too() -> None:
    rows = profile(
        plugins.load("backbone", "unet_mini"), [], {},
        classes=5, batch=2, image_size=(32, 64), device=torch.device("cpu"), rounds=1,
    )  # fmt: skip
    assert [row["method"] for row in rows] == ["source_only"]
