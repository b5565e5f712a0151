"""Networks of a few weights and batches for tests of Drop to Adapt, in float64."""

from __future__ import annotations

import torch
from torch import nn

from dta_bench.nn.network import Labelled, Network, Unlabelled

B, C, L, K = 3, 6, 8, 4


def classifier() -> Network:
    """Vector logits (B, K); no dropout but m^s, so that every random draw of a step is known."""
    body = nn.Sequential(nn.Conv2d(2, C, 3), nn.Tanh())
    neck = nn.Sequential(nn.Conv2d(C, 5, 2), nn.Tanh(), nn.Flatten(), nn.Linear(5 * 9, L), nn.Tanh())
    return Network(body, neck, nn.Linear(L, K)).double()


def segmenter() -> Network:
    """Map logits (B, K, H, W)."""
    body = nn.Sequential(nn.Conv2d(2, C, 3, padding=1), nn.Tanh())
    neck = nn.Sequential(nn.Conv2d(C, L, 3, padding=1), nn.Tanh())
    return Network(body, neck, nn.Conv2d(L, K, 1)).double()


def batches(task: str) -> tuple[Labelled, Unlabelled]:
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(2, B, 2, 6, 6, dtype=torch.float64, generator=generator)
    labels = torch.randint(K, (B,) if task == "classification" else (B, 6, 6), generator=generator)
    return Labelled(images[0], labels), Unlabelled(images[1])


def with_dropout_and_batchnorm() -> Network:
    """Vector logits (B, K), with dropout and BatchNorm in the body and in the neck."""
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(2, 20, 3), nn.BatchNorm2d(20), nn.ReLU(), nn.Dropout2d(0.1))
    neck = nn.Sequential(
        nn.Conv2d(20, 10, 2), nn.BatchNorm2d(10), nn.ReLU(), nn.Flatten(), nn.Dropout(0.5),
        nn.Linear(90, 20), nn.BatchNorm1d(20), nn.ReLU(),
    )  # fmt: skip
    return Network(body, neck, nn.Linear(20, K)).double()
