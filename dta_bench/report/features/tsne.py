"""Where source and target lie in the network's last hidden layer, before and after adaptation (Fig. 4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dta_bench.domains.images import LabelledImages
from dta_bench.evaluation.probes import features, sample
from dta_bench.report.features.networks import TrainedRun

PERPLEXITY, SEED = 30.0, 0
SOURCE, TARGET = "#0072b2", "#d55e00"  # blue and vermilion, as in the paper's blue and red


def embed(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Embed vectors (N, D) in the plane (N, 2) by scikit-learn's t-SNE, with the same settings for every network."""
    from sklearn.manifold import TSNE

    perplexity = min(PERPLEXITY, (len(vectors) - 1) / 3)
    embedded: NDArray[np.float32] = TSNE(2, perplexity=perplexity, init="pca", random_state=SEED).fit_transform(vectors)
    return embedded


def tsne_figure(
    sides: Sequence[TrainedRun], source: LabelledImages, target: LabelledImages, classes: Sequence[str]
) -> Figure:
    """A figure with a column a network: above by domain, below the target's images by class.

    Of each domain at most 500 images are drawn.
    """
    parts = [source.select(sample(len(source))), target.select(sample(len(target)))]
    labels = np.asarray(parts[1].labels, dtype=np.int64)
    figure = Figure(figsize=(5.2 * len(sides), 10), layout="constrained")
    axes = np.asarray(figure.subplots(2, len(sides), squeeze=False))
    for column, side in enumerate(sides):
        vectors = [features(side.network, side.evaluator.batches(part.images), side.evaluator.device) for part in parts]
        points = embed(np.concatenate(vectors))
        _domains(axes[0, column], points, len(parts[0]))
        axes[0, column].set_title(side.name)
        _classes(axes[1, column], points[len(parts[0]) :], labels, classes)
    axes[0, 0].legend(loc="upper left", frameon=False)
    axes[1, -1].legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=8)
    return figure


def _domains(axes: Any, points: NDArray[np.float32], of_source: int) -> None:
    axes.scatter(*points[:of_source].T, s=9, c=SOURCE, marker="o", label="source", alpha=0.7, linewidths=0)
    axes.scatter(*points[of_source:].T, s=14, c=TARGET, marker="x", label="target", alpha=0.7, linewidths=0.9)
    _bare(axes)


def _classes(axes: Any, points: NDArray[np.float32], labels: NDArray[np.int64], classes: Sequence[str]) -> None:
    from matplotlib import colormaps

    colours = colormaps["tab20"].resampled(20)
    for k, name in enumerate(classes):
        mine = points[labels == k]
        axes.scatter(*mine.T, s=12, color=colours(k % 20), marker="osD^v<>P*X"[k % 10], label=name, linewidths=0)
    _bare(axes)
    axes.set_xlabel("target test, by true class")


def _bare(axes: Any) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
