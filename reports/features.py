"""How fast frozen features and stacked heads are: the tables of ``features.md``.

    python reports/features.py --root DATA --weights FILE [--epochs 30] [--members 72] > reports/features.md

DATA holds ``pacs``; FILE is a file of tf_efficientnet_lite0's weights. Bare network and features, and stack and single
runs, are measured side by side in one process, on the machine as it is: its load is printed.
"""

from __future__ import annotations

import argparse
import itertools
import os
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from dta_bench.run import checkpoint
from dta_bench.run.placement import Placement
from dta_bench.run.resolve import Resolved, resolve, resolve_on
from dta_bench.run.stacked.stack import Stack
from dta_bench.run.train import Run
from dta_bench.spec.run_spec import LabelSubset, RunSpec, Training

BACKBONE, PAIR = "tf_efficientnet_lite0", "pacs.art-to-photo"
CPU = torch.device("cpu")


def megabytes() -> float:
    """The peak of this process's resident memory so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def specs(weights: str, epochs: int, members: int) -> list[RunSpec]:
    """The 24 points of DTA's sets without VAT, with three seeds each."""
    training = Training(
        epochs=epochs, optimizer="sgd", learning_rate=1e-2, weight_decay=5e-4, batch_size=32, tune="head",
        neck_width=256,
    )  # fmt: skip
    grid = itertools.product((0, 0.01, 0.02), (0, 0.1), (0, 0.01, 0.02, 0.05), range(3))
    made = [
        RunSpec(
            PAIR, BACKBONE, weights, "dta",
            {
                "lambda_1": 2, "lambda_2": lambda_2, "lambda_3": 0, "delta_e": delta_e, "delta_c": delta_c,
                "ramp_up_epochs": 20, "epsilon": 0, "kl": "classes", "start": "ones", "class_balance": 0,
                "source_consistency": 0,
            },
            training, LabelSubset(size=100), seed,
        )
        for lambda_2, delta_e, delta_c, seed in grid
    ]  # fmt: skip
    return made[:: max(1, len(made) // members)][:members]


def bare_rate(body: nn.Module, count: int, threads: int) -> dict[tuple[str, int], float]:
    """Images a second of the bare network by layout and batch size, on standardised images in memory."""
    torch.set_num_threads(threads)
    rates = {}
    for layout, size in itertools.product((torch.contiguous_format, torch.channels_last), (16, 32, 64)):
        images = torch.randn(size, 3, 224, 224).to(memory_format=layout)
        net = body.to(memory_format=layout)
        with torch.inference_mode():
            net(images)
            started = time.perf_counter()
            for _ in range(max(1, count // size)):
                net(images)
        rates[str(layout).removeprefix("torch."), size] = max(1, count // size) * size / (time.perf_counter() - started)
    return rates


def feature_seconds(resolved: Resolved, folder: str) -> tuple[float, int]:
    """Seconds to compute and keep all features of a run, and how many images it has."""
    os.environ["DTA_BENCH_CACHE"] = folder
    started = time.perf_counter()
    run = Run(resolved, Placement(CPU, workers=1))
    sets = (run.splits.source_train, run.splits.source_validation, run.splits.target_train, run.splits.target_test)
    return time.perf_counter() - started, sum(len(one) for one in sets if one is not None)


def build(jobs: list[Resolved], folder: Path) -> tuple[list[Run], list[Tensor]]:
    """The runs with their generators' states."""
    runs, states = [], []
    for one in jobs:
        run = Run(one, Placement(CPU, folder / f"{one.spec.id}.pt"))
        checkpoint.resume_run(run)
        runs.append(run)
        states.append(torch.get_rng_state())
    return runs, states


def stacked_seconds(jobs: list[Resolved], folder: Path) -> tuple[float, list[Run]]:
    """Seconds of a stack, evaluation and checkpoints included."""
    runs, states = build(jobs, folder)
    stack = Stack(runs, states)
    started = time.perf_counter()
    while waiting := stack.next_runs():
        stack.train_epoch(waiting)
        for run in waiting:
            stack.end_epoch(run)
    return time.perf_counter() - started, runs


def main() -> None:
    """Measure, and print the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", required=True)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--images", type=int, default=1024, help="images that the bare network is measured on")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--members", type=int, default=72)
    parser.add_argument("--alone", type=int, default=6, help="runs that are trained one by one")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    imports = megabytes()
    chosen = specs(str(Path(asked.weights).resolve()), asked.epochs, asked.members)
    first = resolve(chosen[0], asked.root)
    body = first.backbone.build(7, chosen[0].weights).body
    rates = bare_rate(body, asked.images, asked.threads)
    with tempfile.TemporaryDirectory() as folder:
        seconds, images = feature_seconds(first, folder)
        again, _ = feature_seconds(first, folder)
        jobs = [resolve_on(spec, first.benchmark, first.splits, first.fingerprints) for spec in chosen]
        before = megabytes()
        stacked, runs = stacked_seconds(jobs, Path(folder, "stacked"))
        peak = megabytes() - imports
        started = time.perf_counter()
        for job in jobs[: asked.alone]:
            Run(job, Placement(CPU, Path(folder, "alone", f"{job.spec.id}.pt"))).train_to_the_end()
        alone = (time.perf_counter() - started) / max(1, min(asked.alone, len(jobs)))
    head = sum(weight.numel() for weight in runs[0].learner.parameters() if weight.requires_grad)
    held = (images * int(np.prod(runs[0].kept.shape)) * 2 + 3 * 4 * head * len(runs)) / 2**20 if runs[0].kept else 0.0
    best = max(rates.values())
    lines = [
        "# Frozen features and stacked heads",
        "",
        f"`python reports/features.py --images {asked.images} --epochs {asked.epochs} --members {asked.members}` on "
        f"{os.cpu_count()} cores with {asked.threads} threads of torch; load of the machine at the end: "
        f"{os.getloadavg()[0]:.1f}.",
        "",
        "| bare network, images a second | batch 16 | 32 | 64 |",
        "|---|---|---|---|",
        *(
            f"| {layout} | " + " | ".join(f"{rates[layout, size]:.0f}" for size in (16, 32, 64)) + " |"
            for layout in dict.fromkeys(layout for layout, _ in rates)
        ),
        "",
        f"Features of {images:,} photographs ({PAIR}) at 224 px: {seconds:.0f} s, {images / seconds:.0f} images a "
        f"second, {images / seconds / best:.2f} of the bare network's best. Decoding, hashing and writing are in it. A "
        f"second run finds them in {again:.1f} s.",
        "",
        f"{len(jobs)} runs of {asked.epochs} epochs of DTA's grid without VAT, stacked: {stacked:.0f} s, "
        f"{stacked / len(jobs):.1f} s a run. One by one, features in memory: {alone:.1f} s a run "
        f"({min(asked.alone, len(jobs))} runs), {alone * len(jobs) / stacked:.1f} times as long. Evaluation after each "
        "epoch and checkpoints are in both.",
        "",
        f"Peak memory above imports: {peak:.0f} MiB ({before - imports:.0f} MiB before the stack); features, weights, "
        f"gradients and optimiser states of the stack are {held:.0f} MiB, and 1.5 times that and 200 MiB are "
        f"{1.5 * held + 200:.0f} MiB.",
    ]
    print("\n".join(lines))


if __name__ == "__main__":
    main()
