"""The contract of a backbone: where it is cut, what is masked, a step of Drop to Adapt, and its weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from dta_bench.check.findings import Findings
from dta_bench.errors import UserError
from dta_bench.methods import dta
from dta_bench.nn.network import Labelled, Network, Unlabelled
from dta_bench.nn.pretrained import BackbonePlugin, backbone

SIZES = ((64, 64), (32, 32), (28, 28), (224, 224))
"""Image sizes (height, width) to try, in this order, until the network runs."""
CLASSES = 5


def check_backbone(name: str) -> Findings:
    """Build a backbone, run it on random images in evaluation mode, and train one step.

    Raises:
        UserError: there is no such backbone, or its file does not run.
    """
    found = Findings()
    backbone(name)
    torch.manual_seed(0)
    made: list[tuple[BackbonePlugin, Network, Tensor]] = []
    if not found.expect("it builds and runs in eval on one of the usual image sizes", lambda: _made(name, made)):
        return found
    of, net, images = made[0]
    found.expect("its logits have the shape of its task", lambda: _logits(of, net, images))
    found.expect("masks of ones change no bit of its logits", lambda: _ones(net, images))
    found.expect("what it caches survives a pass (no in-place operation)", lambda: _survives(net, images))
    found.expect("its upper part is the forward pass with the activation multiplied", lambda: _upper(net, images))
    found.expect("feature_axis is the axis of the channels", lambda: _axis(of, net, images))
    found.expect("every masked unit can change the logits", lambda: _matters(net, images))
    found.expect("weights that are not there are refused", lambda: _weights(of))
    found.expect("a step of Drop to Adapt is finite", lambda: _step(of, net, images))
    return found


def _made(name: str, made: list[tuple[BackbonePlugin, Network, Tensor]]) -> str:
    reasons = []
    for size in SIZES:
        of = backbone(name, size)
        try:
            built: Any = of.build(CLASSES)
            if not isinstance(built, Network):
                return f"build returns a {type(built).__name__}, no dta_bench.nn.network.Network"
            images = torch.randn(2, of.channels, *size)
            with torch.no_grad():
                built.eval()(images)
        except Exception as error:  # a network may fail at one size and run at the next
            reasons.append(f"{size[0]}x{size[1]}: {type(error).__name__}: {str(error).partition(chr(10))[0]}")
            continue
        made.append((of, built, images))
        return ""
    return "; ".join(reasons[:2])


def _logits(of: BackbonePlugin, net: Network, images: Tensor) -> str:
    with torch.no_grad():
        shape = tuple(net(images).shape)
    wanted = (2, CLASSES) if of.task == "classification" else (2, CLASSES, *images.shape[2:])
    return "" if shape == wanted else f"they are {shape} for 2 images and {CLASSES} classes, not {wanted}"


def _mask(activation: Tensor, axis: int) -> Tensor:
    axis %= activation.ndim
    return torch.ones([n if i in (0, axis) else 1 for i, n in enumerate(activation.shape)])


def _ones(net: Network, images: Tensor) -> str:
    with torch.no_grad():
        plain, features = net(images), net.features(images)
        by_features = net.feature_dropout(features).upper(
            _mask(features.activation, net.feature_axis) * features.activation
        )
        hidden = net.hidden(features)
        by_hidden = net.classifier_dropout().upper(_mask(hidden, net.hidden_axis) * hidden)
    sites = {"CAdD's": by_features, "EAdD's": by_hidden}
    return ", ".join(f"at {site} site they do" for site, logits in sites.items() if not torch.equal(logits, plain))


def _survives(net: Network, images: Tensor) -> str:
    with torch.no_grad():
        features = net.features(images)
        before = features.activation.clone()
        hidden = net.hidden(features)
        kept = hidden.clone()
        net.head(hidden)
    parts = {"neck": torch.equal(before, features.activation), "head": torch.equal(kept, hidden)}
    changed = [part for part, same in parts.items() if not same]
    return f"{' and '.join(changed)} changes its input; its first layer should not be inplace" if changed else ""


def _upper(net: Network, images: Tensor) -> str:
    def multiply(_: nn.Module, __: Any, out: Any) -> Any:
        return (mask * out[0], *out[1:]) if isinstance(out, tuple) else mask * out

    with torch.no_grad():
        features = net.features(images)
        mask = torch.bernoulli(0.5 * _mask(features.activation, net.feature_axis))
        by_upper = net.feature_dropout(features).upper(mask * features.activation)
        with net.body.register_forward_hook(multiply):
            by_hook = net(images)
    return "" if torch.equal(by_upper, by_hook) else "it is not; is something drawn at random in eval, or kept aside?"


def _axis(of: BackbonePlugin, net: Network, images: Tensor) -> str:
    """Larger images move every axis but the batch and the channels (where the network takes larger ones at all)."""
    larger = (2 * images.shape[2], 3 * images.shape[3])
    one = net.features(images).activation.shape
    try:
        wider = backbone(of.name, larger).build(CLASSES).to("meta").eval()
        other = wider.features(torch.empty(2, of.channels, *larger, device="meta")).activation.shape
    except (RuntimeError, UserError, AssertionError, ValueError):
        return ""
    still = [axis for axis in range(1, len(one)) if one[axis] == other[axis]]
    declared = net.feature_axis % len(one)
    if declared in still:
        return ""
    return f"it is {declared}, but of {tuple(one)} axis {' or '.join(map(str, still))} holds the channels"


def _matters(net: Network, images: Tensor) -> str:
    features = net.features(images)
    hidden = net.hidden(features)
    sites = {
        "CAdD's": (net.feature_dropout(features).upper, features.activation, net.feature_axis),
        "EAdD's": (net.classifier_dropout().upper, hidden, net.hidden_axis),
    }
    dead = []
    for site, (upper, activation, axis) in sites.items():
        ones = _mask(activation, axis).requires_grad_()
        (impact,) = torch.autograd.grad(upper(ones * activation.detach()).square().sum(), ones)
        if not impact.abs().sum() > 0:
            dead.append(f"none at {site} site does")
    return ", ".join(dead)


def _weights(of: BackbonePlugin) -> str:
    try:
        of.build(CLASSES, "no/such/file.pth")
    except UserError:
        return ""
    return "build(num_classes, 'no/such/file.pth') raises nothing; raise UserError for weights that it does not load"


def _step(of: BackbonePlugin, net: Network, images: Tensor) -> str:
    labels = torch.randint(CLASSES, (2,) if of.task == "classification" else (2, *images.shape[2:]))
    params = dta.Params(delta_c=0.05, delta_e=0.1, ramp_up_epochs=1, start="stochastic")
    parts = dta.loss(net.train(), Labelled(images, labels), Unlabelled(torch.randn_like(images)), 1, params)
    torch.autograd.backward(parts["total"])
    bad = [name for name, value in parts.items() if not torch.isfinite(value)]
    bad += [name for name, p in net.named_parameters() if p.grad is not None and not torch.isfinite(p.grad).all()][:3]
    return f"{', '.join(bad)} is not" if bad else ""
