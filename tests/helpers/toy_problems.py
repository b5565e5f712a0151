"""Small domain pairs of points in the plane, on which a method trains in a second or two."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.datasets import make_moons
from torch import Tensor, nn

from dta_bench.nn import learner
from dta_bench.nn.learner import Learner, Progress, Setting
from dta_bench.nn.network import Labelled, Network, Unlabelled, evaluating
from dta_bench.spec.method_plugin import method_plugin
from dta_bench.spec.run_spec import Training

BATCH, EPOCHS = 64, 15


@dataclass(frozen=True)
class Pair:
    """Points as images (N, 2, 1, 1) with labels (N,); the target's labels are used only for its accuracy."""

    source: Labelled
    target: Labelled
    classes: int


def _pair(source: tuple[np.ndarray, np.ndarray], target: tuple[np.ndarray, np.ndarray]) -> Pair:
    domains = [
        Labelled(torch.tensor(x, dtype=torch.float32)[:, :, None, None], torch.tensor(y, dtype=torch.long))
        for x, y in (source, target)
    ]
    return Pair(*domains, int(source[1].max()) + 1)


def _rotate(points: np.ndarray, degrees: float) -> np.ndarray:
    angle = np.deg2rad(degrees)
    return points @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


@functools.cache
def moons(degrees: float = 30, seed: int = 0, size: int = 512) -> Pair:
    """Two interleaved half circles; the target's are rotated about their middle."""
    (x, y), (x_t, y_t) = (make_moons(size, noise=0.08, random_state=seed + i) for i in (0, 1000))
    middle = np.array([0.5, 0.25])
    return _pair((x - middle, y), (_rotate(x_t - middle, degrees), y_t))


@functools.cache
def blobs(
    shift: tuple[float, float] = (1.0, 0.6), shares: tuple[float, ...] = (1 / 3,) * 3, seed: int = 0, size: int = 510,
    scale: float = 1.0,
) -> Pair:  # fmt: skip
    """Three Gaussian clouds; the target's are scaled, moved by ``shift``, and have ``shares`` of the points."""
    rng = np.random.default_rng(seed)
    centres = np.array([[0, 2], [-1.8, -1], [1.8, -1]])
    y = np.repeat(np.arange(3), size // 3)
    y_t = np.repeat(np.arange(3), [round(share * size) for share in shares])
    x, x_t = (centres[labels] + 0.45 * rng.standard_normal((len(labels), 2)) for labels in (y, y_t))
    return _pair((x, y), (scale * x_t + shift, y_t))


def network(classes: int, normed: bool) -> Network:
    """Three layers of 32 units, BatchNorm in the first two if ``normed``; no dropout."""
    first, second = (nn.BatchNorm2d(32) if normed else nn.Identity() for _ in range(2))
    body = nn.Sequential(nn.Conv2d(2, 32, 1), first, nn.ReLU())
    neck = nn.Sequential(nn.Conv2d(32, 32, 1), second, nn.ReLU(), nn.Flatten(), nn.Linear(32, 32), nn.ReLU())
    return Network(body, neck, nn.Linear(32, classes))


def trained(method: str, pair: Pair, seed: int, epochs: int = EPOCHS, normed: bool = True, **params: object) -> Learner:
    """Train a method for ``epochs`` on a pair; a second view is the points with noise added."""
    plugin = method_plugin(method)
    params_of_method, first = dataclasses.replace(plugin.params_type(), **params), None
    if (before := plugin.before(dataclasses.asdict(params_of_method))) is not None:
        first = trained(before[0].name, pair, seed, epochs, normed, **before[1])
    torch.manual_seed(seed)
    training = Training(epochs=epochs, optimizer="adam", learning_rate=3e-3, batch_size=BATCH)
    setting = Setting(training, pair.classes, (2, 1, 1), len(pair.target.images), first)
    of = learner.build(plugin, network(pair.classes, normed), params_of_method, setting)
    steps = len(pair.source.images) // BATCH
    for epoch in range(1, epochs + 1):
        of.at = Progress(epoch, (epoch - 1) * steps, epochs * steps)
        of.before_epoch(lambda: pair.target.images.split(128))
        orders = [torch.randperm(len(domain.images)).split(BATCH)[:steps] for domain in (pair.source, pair.target)]
        for step, (index_s, index_t) in enumerate(zip(*orders, strict=True)):
            of.at = Progress(epoch, (epoch - 1) * steps + step, epochs * steps)
            source = Labelled(pair.source.images[index_s], pair.source.labels[index_s])
            of.step(source, _two_views(pair.target.images, index_t))
    return of


def _two_views(images: Tensor, index: Tensor) -> Unlabelled:
    first = images[index]
    return Unlabelled(first, first + 0.1 * torch.randn_like(first), index)


def accuracy(of: Learner, pair: Pair) -> float:
    """Accuracy on the target, in percent."""
    with torch.no_grad(), evaluating(of):
        return 100 * float((of(pair.target.images).argmax(1) == pair.target.labels).float().mean())


PAIRS: dict[str, Callable[[int], Pair]] = {
    "moons": lambda seed: moons(seed=seed),
    "blobs": lambda seed: blobs(seed=seed),
    "far": lambda seed: blobs((1.4, 1.0), seed=seed),
    "shrunk": lambda seed: blobs((0, 0), seed=seed, scale=0.25),
    "tiny": lambda seed: blobs((0.15, 0.1), seed=seed, scale=0.1),
    "uneven": lambda seed: blobs((1.2, 0.8), (0.6, 0.3, 0.1), seed=seed),
}


@functools.cache
def mean_accuracy(method: str, pair: str, seeds: int = 5, normed: bool = True, **params: object) -> float:
    """Mean accuracy on the target in percent, over seeds; a seed decides the points and the weights."""
    pairs = [PAIRS[pair](seed) for seed in range(seeds)]
    learners = (trained(method, each, seed, normed=normed, **params) for seed, each in enumerate(pairs))
    return sum(accuracy(of, each) for of, each in zip(learners, pairs, strict=True)) / seeds
