"""Nearest neighbours vote as scikit-learn's do, and only those that were seen."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.neighbors import KNeighborsClassifier
from torch import nn

from dta_bench.nn import learner
from dta_bench.nn.learner import Learner, Setting
from dta_bench.nn.network import Labelled, Network, Unlabelled
from dta_bench.nn.tuning import TakesFeatures
from dta_bench.spec.method_plugin import method_plugin
from dta_bench.spec.training import Training


def built(**params: float) -> Learner:
    training = Training(epochs=1, optimizer="sgd", learning_rate=0.1, batch_size=8)
    net = Network(TakesFeatures(), nn.Identity(), nn.Linear(6, 3))
    plugin = method_plugin("knn")
    return learner.build(plugin, net, plugin.params(params), Setting(training, 3, (6,), 8))


def feed(made: Learner, features: torch.Tensor, labels: torch.Tensor) -> None:
    for first in range(0, len(labels), 8):
        own = slice(first, first + 8)
        made.step(Labelled(features[own], labels[own]), Unlabelled(features[own]))


def test_the_votes_are_those_of_scikit_learn() -> None:
    rng = torch.Generator().manual_seed(0)
    source, target = torch.randn(40, 6, generator=rng), torch.randn(25, 6, generator=rng)
    labels = torch.randint(3, (40,), generator=rng)
    made = built(k=5, temperature=0.3, memory=64).train()
    feed(made, source, labels)
    oracle = KNeighborsClassifier(5, metric="cosine", weights=lambda distance: np.exp((1 - distance) / 0.3))
    oracle.fit(source.numpy(), labels.numpy())
    found = made.eval()(target).exp()
    np.testing.assert_allclose(found.detach().numpy(), oracle.predict_proba(target.numpy()), atol=1e-5)


def test_a_memory_that_is_full_forgets_the_oldest() -> None:
    source = torch.randn(24, 6, generator=torch.Generator().manual_seed(1))
    labels = torch.arange(24) // 8
    made = built(k=1, memory=16)
    feed(made, source, labels)
    assert not (made.eval()(source).argmax(1)[:8] == 0).any()
    assert torch.equal(made(source).argmax(1)[8:], labels[8:])
