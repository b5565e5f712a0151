"""Eight drawn streets of each domain, 32 x 64, and a method trained on them for a few steps."""

from __future__ import annotations

import functools

import cv2
import numpy as np
import torch

from dta_bench import plugins
from dta_bench.benchmarks import _streets, streets_mini
from dta_bench.data.batches import Batches
from dta_bench.domains.images import LabelledImages
from dta_bench.nn import learner
from dta_bench.nn.learner import Progress, Setting
from dta_bench.spec.method_plugin import method_plugin
from dta_bench.spec.run_spec import Training

COUNT, SIZE, STEPS = 8, (32, 64), 24
BENCHMARK = streets_mini.BENCHMARK.__class__(**vars(streets_mini.BENCHMARK) | {"image_size": SIZE})


@functools.cache
def draw_streets(style: str) -> LabelledImages:
    """Eight streets of one style, ``flat`` (the source) or ``textured`` (the target)."""
    made = [_streets._draw_street(np.random.default_rng((7, len(style), i)), style) for i in range(COUNT)]
    images = [cv2.resize(image, SIZE[::-1], interpolation=cv2.INTER_AREA) for image, _ in made]
    labels = [cv2.resize(labels, SIZE[::-1], interpolation=cv2.INTER_NEAREST) for _, labels in made]
    return LabelledImages(images, labels, [str(i) for i in range(COUNT)])


def loss_falls(method: str, **params: object) -> bool:
    """Whether the loss on the source falls below two thirds within 24 steps; every term must stay finite."""
    plugin, (source, target) = method_plugin(method), (draw_streets("flat"), draw_streets("textured"))
    torch.manual_seed(0)
    training = Training(epochs=6, optimizer="adam", learning_rate=3e-3, batch_size=2)
    net = plugins.load("backbone", "unet_mini").build(len(BENCHMARK.classes))
    setting = Setting(training, len(BENCHMARK.classes), (3, *SIZE), COUNT, None, BENCHMARK.classes)
    of = learner.build(plugin, net, plugin.params_type(**params), setting)
    batches = Batches(source, target.without_labels(), BENCHMARK, 2, 0, 3, second_view=plugin.second_view)
    tasks = []
    for epoch in range(1, training.epochs + 1):
        for step, pair in enumerate(batches.epoch(epoch)):
            of.at = Progress(epoch, (epoch - 1) * len(batches) + step, STEPS)
            parts = of.step(*pair)
            assert all(torch.isfinite(value) for value in parts.values()), parts
            tasks.append(float(parts["task"]))
    return sum(tasks[-4:]) < 2 / 3 * sum(tasks[:4])
