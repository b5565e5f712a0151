"""Drop to Adapt on label maps, held to loops over single pixels."""

import math

import torch
from torch import Tensor, nn

from dta_bench.methods import dta
from dta_bench.nn.adversarial_dropout import TargetPass, flip_budget
from dta_bench.nn.network import Labelled, Network, Unlabelled

B, K, C, SIZE = 2, 3, 6, 4
PARAMS = dta.Params(
    lambda_1=2.0, lambda_2=0.01, lambda_3=0.0, delta_e=0.0, delta_c=0.5, ramp_up_epochs=1, start="stochastic",
    class_balance=0.1,
)  # fmt: skip


def network() -> Network:
    """Without dropout but m^s, so that a seed makes two passes alike."""
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(2, C, 3, padding=1), nn.Tanh())
    neck = nn.Sequential(nn.Conv2d(C, 5, 3, padding=1), nn.Tanh())
    return Network(body, neck, nn.Conv2d(5, K, 1)).double()


def data() -> tuple[Labelled, Unlabelled]:
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(2, B, 2, SIZE, SIZE, dtype=torch.float64, generator=generator)
    labels = torch.randint(K, (B, SIZE, SIZE), generator=generator)
    labels[0, 0, :2] = 255
    return Labelled(images[0], labels), Unlabelled(images[1])


def pixels() -> list[tuple[int, int, int]]:
    return [(b, i, j) for b in range(B) for i in range(SIZE) for j in range(SIZE)]


def pixel_kl(p: Tensor, q: Tensor) -> Tensor:
    """KL of the predictions of one pixel, logits (K,), averaged over the classes as released."""
    p, q = p.softmax(0), q.softmax(0)
    return sum((p[k] * (p[k].log() - q[k].log()) for k in range(K)), start=torch.zeros(())) / K  # type: ignore[no-any-return]


def test_the_terms_of_a_step_are_means_over_single_pixels() -> None:
    net, (source, target) = network(), data()
    torch.manual_seed(2)
    terms = dta.loss(net, source, target, 1, PARAMS)

    p_s = net(source.images)
    torch.manual_seed(2)
    clean = TargetPass(net, target.images, "stochastic", mask_features=True, mask_hidden=False)
    p, (p_f, _) = clean.logits, clean.adversarial_logits(PARAMS.delta_c, 0.0)
    assert p_f is not None
    counted = [(b, i, j) for b, i, j in pixels() if source.labels[b, i, j] != 255]
    task = [-p_s[b, :, i, j].log_softmax(0)[source.labels[b, i, j]] for b, i, j in counted]
    f_dta = [pixel_kl(p[b, :, i, j], p_f[b, :, i, j]) for b, i, j in pixels()]
    entropy = [-(p[b, :, i, j].softmax(0) * p[b, :, i, j].log_softmax(0)).sum() for b, i, j in pixels()]
    expected = {"task": task, "f_dta": f_dta, "entropy": entropy}
    for name, values in expected.items():
        torch.testing.assert_close(terms[name], torch.stack(values).mean(), msg=name)
    mean_p = torch.stack([p[b, :, i, j].softmax(0) for b, i, j in pixels()]).mean(0)
    mean_f = torch.stack([p_f[b, :, i, j].softmax(0) for b, i, j in pixels()]).mean(0)
    balance = sum(-(mean + 1e-6).log().mean() for mean in (mean_p, mean_f))
    torch.testing.assert_close(terms["class_balance"], balance)
    total = terms["task"] + 2 * terms["f_dta"] + 0.01 * terms["entropy"] + 0.1 * balance
    torch.testing.assert_close(terms["total"], total)


def test_a_channels_impact_is_summed_over_single_pixels() -> None:
    """Eq. a-16: the flips that a loop over output pixels finds are those of the one pass."""
    net, (_, target) = network(), data()
    torch.manual_seed(2)
    clean = TargetPass(net, target.images, "stochastic", mask_features=True, mask_hidden=False)
    (p_f, _), m_s = clean.adversarial_logits(PARAMS.delta_c, 0.0), clean.m_f
    assert p_f is not None

    impact = torch.zeros(B, C, dtype=torch.float64)
    for b, i, j in pixels():
        ones = torch.ones(B, C, 1, 1, dtype=torch.float64, requires_grad=True)
        shown = net.head(net.neck(ones * clean.features.activation.detach()))
        divergence = pixel_kl(clean.logits[b, :, i, j].detach(), shown[b, :, i, j])
        impact += torch.autograd.grad(divergence, ones)[0].flatten(1)
    expected = m_s.clone().flatten(1)
    flips = math.floor(PARAMS.delta_c * C)
    assert flip_budget(PARAMS.delta_c, C) == flips == 3
    for b in range(B):
        gains = {c: float(impact[b, c] * (1 - 2 * expected[b, c])) for c in range(C)}
        for c in sorted(gains, key=lambda c: -gains[c])[:flips]:
            if gains[c] > 0:
                expected[b, c] = 1 - expected[b, c]
    masked = net.head(net.neck(expected.view_as(m_s) / net.feature_keep_rate * clean.features.activation))
    torch.testing.assert_close(p_f, masked)
    assert not torch.equal(expected, m_s.flatten(1))
