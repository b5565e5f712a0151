"""How fast frozen features and stacked heads are: the tables of ``features.md``.

    python reports/features.py --root DATA --weights FILE > reports/features.md

DATA holds ``pacs``; FILE is a file of tf_efficientnet_lite0's weights. Everything is measured in one run, side by side,
on the machine as it is: its load is printed, and CPU seconds beside those by the clock, which other work stretches.
Each run and each stack is a process of its own with MLflow, one thread and its features on disk. With
``DTA_BENCH_CACHE=FOLDER`` the features of the pair are kept for the next call, also of a call that was stopped.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import torch
from torch import nn

from dta_bench.nn.stacked.losses import point
from dta_bench.run import execute as executing
from dta_bench.run import train
from dta_bench.run.execute import RunLabel
from dta_bench.run.on_features import Keeper
from dta_bench.run.placement import Placement, StopRequest
from dta_bench.run.resolve import Resolved, resolve, resolve_on
from dta_bench.run.stacked import measuring, stack
from dta_bench.run.stacked.execute import execute_stack
from dta_bench.run.stacked.memory import stack_bytes
from dta_bench.run.workspace import Workspace
from dta_bench.spec.run_spec import LabelSubset, RunSpec, Training

BACKBONE, PAIR, UNITS, WIDTH, BATCH = "tf_efficientnet_lite0", "pacs.art-to-photo", 1280, 256, 32
CPU = torch.device("cpu")
LATER_IMPORTS = ("mlflow.tracking", "mlflow.store.tracking.sqlalchemy_store", "timm", "matplotlib.pyplot")
"""What the program imports only where it needs it; memory is counted from after all imports."""
torch.set_num_threads(1)


def megabytes() -> float:
    """The peak of this process's resident memory since it was last reset."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def points(has_vat: bool) -> list[dict[str, float]]:
    """The points of DTA's sets: 24 without VAT, 96 with it."""
    vat = [(one, other) for one in (0.1, 0.2) for other in (0, 3.5, 15) if other] if has_vat else [(0, 0)]
    grid = itertools.product((0, 0.01, 0.02), (0, 0.1), (0, 0.01, 0.02, 0.05), vat)
    return [
        {"lambda_2": a, "delta_e": e, "delta_c": c, "lambda_3": weight, "epsilon": length}
        for a, e, c, (weight, length) in grid
    ]


def specs(weights: str, epochs: int, members: int, has_vat: bool = False) -> list[RunSpec]:
    """Points with three seeds each, by seed; of them ``members``, evenly."""
    training = Training(
        epochs=epochs, optimizer="sgd", learning_rate=1e-2, weight_decay=5e-4, batch_size=BATCH, tune="head",
        neck_width=WIDTH,
    )  # fmt: skip
    fixed = {"lambda_1": 2, "ramp_up_epochs": 20, "kl": "classes", "start": "ones", "class_balance": 0,
             "source_consistency": 0}  # fmt: skip
    method = "dta_feature_vat" if has_vat else "dta"
    made = [
        RunSpec(PAIR, BACKBONE, weights, method, fixed | one, training, LabelSubset(size=100), seed)
        for seed in range(3) for one in points(has_vat)
    ]  # fmt: skip
    return [made[number * len(made) // members] for number in range(min(members, len(made)))]


def bare_rates(body: nn.Module, count: int) -> dict[tuple[str, int], float]:
    """Images a processor second of the bare network by layout and batch size, on standardised images in memory."""
    rates = {}
    for layout, size in itertools.product((torch.contiguous_format, torch.channels_last), (16, 32, 64)):
        images = torch.randn(size, 3, 224, 224).to(memory_format=layout)
        net = body.to(memory_format=layout)
        with torch.inference_mode():
            net(images)
            started = time.process_time()
            for _ in range(max(1, count // size)):
                net(images)
        rates[str(layout).removeprefix("torch."), size] = max(1, count // size) * size / (time.process_time() - started)
    return rates


def feature_rate(resolved: Resolved, count: int) -> float:
    """Images a processor second of this process as features: decoding, resizing, hashing and writing are in it."""
    os.environ["DTA_BENCH_CACHE_GB"] = "4"
    network = resolved.backbone.build(7, resolved.spec.weights)
    keeper = Keeper(resolved, network, resolved.benchmark.for_training(resolved.spec.training), Placement(CPU))
    images = resolved.splits.target_train
    some = dataclasses.replace(images, images=images.images[:count], ids=images.ids[:count])
    started = time.process_time()
    keeper.rows(some, "some images", "target")
    return count / (time.process_time() - started)


def product_rate() -> float:
    """FLOP a processor second of a batched product of the stack's shape on one core, the best of five."""
    rows, weights = torch.randn(12, 2 * BATCH, UNITS), torch.randn(12, WIDTH, UNITS)
    seconds = []
    for _ in range(6):
        started = time.process_time()
        for _ in range(5):
            torch.bmm(rows, weights.transpose(1, 2))
        seconds.append((time.process_time() - started) / 5)
    return 12 * 2 * 2 * BATCH * UNITS * WIDTH / min(seconds[1:])


def step_flops(spec: RunSpec, epoch: int) -> float:
    """FLOP of a run's step in its large products: those of the bottleneck's linear layer."""
    at = point(argparse.Namespace(**spec.params), epoch, UNITS, WIDTH)
    one = 2 * BATCH * UNITS * WIDTH
    both = 4 * one  # source and target, forward and the gradient of the weights
    masked = 3 * one if at.flips_c else 0  # the impact of each feature, masked forward, its gradient
    return both + masked + (4 * one if at.has_vat else 0)


def flops_of(jobs: Sequence[RunSpec], steps: int) -> float:
    """FLOP of all steps of some runs in the products that :func:`step_flops` counts."""
    return sum(steps * step_flops(spec, epoch) for spec in jobs for epoch in range(1, spec.training.epochs + 1))


def work(asked: argparse.Namespace) -> None:
    """What a process of its own does: train some runs alone or as a stack, and say what it took."""
    for module in (train, stack, measuring):  # steps and measuring are told in CPU seconds
        vars(module)["time"] = SimpleNamespace(monotonic=time.process_time)
    for name in LATER_IMPORTS:
        importlib.import_module(name)
    Path("/proc/self/clear_refs").write_text("5")  # the peak is from now on
    imports, started, cpu = megabytes(), time.perf_counter(), time.process_time()
    chosen = specs(asked.weights, asked.epochs, asked.members, asked.vat)[asked.first : asked.last]
    workspace = Workspace(asked.root, asked.out, f"sqlite:///{asked.out}/mlflow.db", keep_networks="none")
    first = resolve(chosen[0], asked.root)
    jobs = [resolve_on(spec, first.benchmark, first.splits, first.fingerprints) for spec in chosen]
    ready = time.perf_counter(), time.process_time()
    told: list[Any] = []
    if asked.alone:
        for job in jobs:
            told.append(executing.execute(job, workspace, RunLabel(None, job.spec.id), StopRequest(), lambda *_: None))
    else:
        labelled = [(job, RunLabel(None, job.spec.id)) for job in jobs]
        execute_stack(labelled, workspace, StopRequest(), lambda *_: None, lambda _, outcome: told.append(outcome))
    assert all(one.status == "done" for one in told), told
    results = [one.result for one in told]
    print(json.dumps({
        "wall": time.perf_counter() - ready[0], "cpu": time.process_time() - ready[1],
        "ready": ready[0] - started, "ready_cpu": ready[1] - cpu,
        "training": sum(one.seconds for one in results), "measuring": sum(one.measuring_seconds for one in results),
        "memory": megabytes() - imports,
    }))  # fmt: skip


def in_processes(asked: argparse.Namespace, cuts: Sequence[tuple[int, int]], *more: str) -> dict[str, float]:
    """Start a process for each cut of the runs at once; the sums of what they say, and seconds until all are done."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    common = ["--root", asked.root, "--weights", asked.weights, "--epochs", str(asked.epochs), "--out", asked.out]
    running = [
        subprocess.Popen(
            [sys.executable, __file__, *common, "--first", str(first), "--last", str(last), *more],
            stdout=subprocess.PIPE, text=True,
        )
        for first, last in cuts
    ]  # fmt: skip
    said = [json.loads(one.communicate()[0].splitlines()[-1]) for one in running]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    whole = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    summed = {key: sum(one[key] for one in said) for key in said[0]}
    longest = {"wall": max(one["wall"] for one in said), "memory": max(one["memory"] for one in said)}
    return summed | longest | {"whole_wall": time.perf_counter() - started, "whole_cpu": whole}


def main() -> None:
    """Measure, and print the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", required=True)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--images", type=int, default=256, help="images that the bare network is measured on")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--members", type=int, default=72)
    parser.add_argument("--alone", type=int, default=4, help="runs that are trained one by one; in a worker: a flag")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--out", default="")
    parser.add_argument("--vat", type=int, default=0, help="runs of the points with VAT in a stack; 0: none")
    parser.add_argument("--first", type=int, default=-1)
    parser.add_argument("--last", type=int, default=-1)
    asked = parser.parse_args()
    asked.weights = str(Path(asked.weights).resolve())
    if asked.first >= 0:
        work(asked)
        return
    with tempfile.TemporaryDirectory() as folder:
        asked.out = folder
        print("\n".join(page(asked)))


def page(asked: argparse.Namespace) -> list[str]:
    """The page's lines."""
    loads = [os.getloadavg()[0]]
    chosen = specs(asked.weights, asked.epochs, asked.members)
    first = resolve(chosen[0], asked.root)
    body = first.backbone.build(7, asked.weights).body
    rates = bare_rates(body, asked.images)
    kept = os.environ.get("DTA_BENCH_CACHE", "")
    with tempfile.TemporaryDirectory() as empty:
        os.environ["DTA_BENCH_CACHE"] = empty
        features = feature_rate(first, asked.images)
    os.environ["DTA_BENCH_CACHE"] = kept or asked.out
    tracker = Workspace(asked.root, asked.out, f"sqlite:///{asked.out}/mlflow.db").tracker()
    tracker.check()
    tracker.experiment(first.benchmark)
    keeping = argparse.Namespace(**vars(asked) | {"epochs": 1})  # it keeps the features of all sets
    in_processes(keeping, [(0, 1)], "--alone", "1", "--members", "1")
    rate, loads = product_rate(), [*loads, os.getloadavg()[0]]
    count, processes = len(chosen), asked.processes
    cuts = [(number * count // processes, (number + 1) * count // processes) for number in range(processes)]
    stacked = in_processes(asked, cuts, "--alone", "0", "--members", str(count))
    loads.append(os.getloadavg()[0])
    every = [number * count // asked.alone for number in range(asked.alone)]
    singles = [in_processes(asked, [(one, one + 1)], "--alone", "1", "--members", str(count)) for one in every]
    alone = {key: sum(one[key] for one in singles) / len(singles) for key in singles[0]}
    rate, loads = max(rate, product_rate()), [*loads, os.getloadavg()[0]]
    steps = len(first.splits.source_train) // BATCH
    flop = flops_of(chosen, steps)
    of_alone = [chosen[one] for one in every]
    bound = alone["cpu"] * count / (flop / rate / processes)
    allowed = 1.5 * stack_bytes(chosen[cuts[0][0] : cuts[0][1]], UNITS, images=4000) / 2**20 + 200
    best = max(rates.values())
    load = ", ".join(f"{one:.1f}" for one in loads)
    vat, own = _vat_lines(asked, rate, steps), flops_of(of_alone, steps) / len(of_alone)
    return [
        "# Frozen features and stacked heads",
        "",
        f"`python reports/features.py --images {asked.images} --epochs {asked.epochs} --members {asked.members} "
        f"--alone {asked.alone} --vat {asked.vat}` on {os.cpu_count()} cores, one thread a process. The load of the "
        f"machine was {load} in the course of it; where others work too, CPU seconds tell more than the clock.",
        "",
        "| bare network, images a CPU second | batch 16 | 32 | 64 |",
        "|---|---|---|---|",
        *(
            f"| {layout} | " + " | ".join(f"{rates[layout, size]:.0f}" for size in (16, 32, 64)) + " |"
            for layout in dict.fromkeys(layout for layout, _ in rates)
        ),
        "",
        f"Features ({PAIR}, 224 px) of {asked.images} photographs: {features:.0f} images a CPU second, "
        f"{features / best:.2f} of the bare network's best; decoding, hashing and writing are in it (asked: 0.9).",
        "",
        f"| {count} runs of {asked.epochs} epochs, DTA's 24 points without VAT | stacked | alone, a run | times |",
        "|---|---|---|---|",
        _row("training and results in MLflow, seconds", stacked["wall"], alone["wall"], count),
        _row("the same, CPU seconds", stacked["cpu"], alone["cpu"], count),
        _row("with the start of the process, seconds", stacked["whole_wall"], alone["whole_wall"], count),
        _row("the same, CPU seconds", stacked["whole_cpu"], alone["whole_cpu"], count),
        _row("steps alone, CPU seconds", stacked["training"], alone["training"], count),
        _row("measuring, CPU seconds", stacked["measuring"], alone["measuring"], count),
        "",
        f"Asked: 10 times without the start of a process, 20 times with it, by the clock on {processes} cores, where "
        f"the stack has {processes} processes and single runs follow each other: multiply the times in CPU seconds by "
        f"{processes}. The large products of these steps are {flop / 1e12:.1f} TFLOP, which {processes} cores compute "
        f"in {flop / rate / processes:.0f} s at the {rate / 1e9:.0f} GFLOP a CPU second that a batched product of this "
        f"shape reached in this run. So no implementation of the same arithmetic, results in MLflow for nothing, can "
        f"be more than {bound:.1f} times as fast as the single runs without their start; steps of a single run "
        f"compute {own / alone['training'] / 1e9:.0f} GFLOP a CPU second, those of the stack "
        f"{flop / stacked['training'] / 1e9:.0f}.",
        "",
        f"Peak memory above imports: {stacked['memory']:.0f} MiB in the larger process; the bound asked for is "
        f"{allowed:.0f} MiB (1.5 times features, weights, gradients and optimiser states of its stack, and 200 MiB).",
        *vat,
    ]


def _row(name: str, stacked: float, alone: float, count: int) -> str:
    return f"| {name} | {stacked:.1f} | {alone:.1f} | {alone * count / stacked:.1f} |"


def _vat_lines(asked: argparse.Namespace, rate: float, steps: int) -> list[str]:
    """How fast points with VAT at the features are in a stack."""
    if not asked.vat:
        return []
    chosen = specs(asked.weights, asked.epochs, asked.vat, has_vat=True)
    said = in_processes(asked, [(0, len(chosen))], "--alone", "0", "--members", str(len(chosen)), "--vat", "1")
    share = flops_of(chosen, steps) / said["training"] / rate
    return [
        "",
        f"{len(chosen)} runs with VAT at the features (`dta_feature_vat`) in one stack on one core: "
        f"{said['training'] / len(chosen):.1f} s of steps a run, {share:.0%} of the batched product's rate on counted "
        "FLOPs (asked: 50 %).",
    ]


if __name__ == "__main__":
    main()
