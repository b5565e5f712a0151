"""What a second device brings a run: steps of ``dta`` on one core, and on two as replicas; run by ``make replicas``.

One core a replica, gloo between them, rounds of both by turns; batches of noise of one size altogether. Prints JSON.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch import distributed
from torch.multiprocessing.spawn import spawn

from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.nn import distributed as replicas
from dta_bench.nn import learner, pretrained
from dta_bench.nn.learner import Setting
from dta_bench.nn.network import Labelled, Unlabelled
from dta_bench.spec.method_plugin import method_plugin
from dta_bench.spec.run_spec import Training

NETWORKS = (("fonts_digits", "conv3_fc2", 64), ("svhn_mnist", "conv9_fc1", 64), ("visda", "timm/resnet18", 16))
ROUNDS, STEPS = 5, 4


def main(rounds: int) -> None:
    """Print a row for each network."""
    rows = []
    for benchmark, backbone, batch in NETWORKS:
        found: dict[int, list[float]] = {1: [], 2: []}
        for _ in range(rounds):
            for count in found:
                found[count].append(seconds_a_step(count, benchmark, backbone, batch))
        one, two = (statistics.median(found[count]) for count in (1, 2))
        rows.append({
            "backbone": backbone, "benchmark": benchmark, "images": batch, "one_device_s": one, "two_devices_s": two,
            "speedup": one / two,
        })  # fmt: skip
        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    print(json.dumps({"rows": rows, "rounds": rounds, "cores": os.cpu_count(), "load": os.getloadavg()[0]}, indent=1))


def seconds_a_step(count: int, *network: object) -> float:
    """The mean over ``STEPS`` steps after a first one, exchange included, of the slowest of ``count`` replicas."""
    with tempfile.TemporaryDirectory() as folder:
        spawn(steps, (count, folder, *network), nprocs=count)
        return max(float(Path(folder, str(rank)).read_text()) for rank in range(count))


def steps(rank: int, count: int, folder: str, benchmark: str, backbone: str, batch: int) -> None:
    """Take the steps of one replica, and write its seconds a step to ``folder/rank``."""
    torch.set_num_threads(1)
    if count > 1:
        distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=count)
    learns, source, target = learner_and_batches(benchmark, backbone, batch, count)
    for step in range(STEPS + 1):
        if step == 1:
            began = time.monotonic()
        learns.step(source, target)
        replicas.average([statistic for statistic in learns.buffers() if statistic.is_floating_point()])
    Path(folder, str(rank)).write_text(str((time.monotonic() - began) / STEPS))
    os._exit(0)  # gloo's threads may abort an orderly end


def learner_and_batches(
    benchmark: str, backbone: str, batch: int, count: int
) -> tuple[learner.Learner, Labelled, Unlabelled]:
    """Build a learner and this replica's part of a batch."""
    torch.manual_seed(0)
    definition = benchmark_of(benchmark)
    plugin = pretrained.backbone(backbone, definition.image_size)
    training = Training(epochs=1, optimizer="adam", learning_rate=1e-3, batch_size=batch, devices=count)
    method, shape = method_plugin("dta"), (plugin.channels, *definition.image_size)
    setting = Setting(training, len(definition.classes), shape, batch)
    learns = learner.build(
        method, plugin.build(len(definition.classes)), method.params_type(start="stochastic"), setting
    )
    images = [torch.randn(training.piece, *shape) for _ in range(2)]
    labels = torch.randint(len(definition.classes), (training.piece,))
    return learns, Labelled(images[0], labels), Unlabelled(images[1])


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
