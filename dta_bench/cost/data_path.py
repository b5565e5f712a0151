"""``dta-bench profile data``: what an image costs on its way from its file into a step, and how long a step waits.

Rates are images per second of processor time, so that they say what one core does whatever else the machine does;
each round measures every row once, one after the other, and ratios are medians over rounds.
"""

from __future__ import annotations

import dataclasses
import resource
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from dta_bench.data import image_cache, load, prefetch
from dta_bench.data.batches import Batches
from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.data.input_maker import InputMaker
from dta_bench.data.prefetch import PartBuffer
from dta_bench.data.splits import split
from dta_bench.domains.images import Image, LabelledImages, SelectedItems, Splits, UnlabelledImages, is_lazy
from dta_bench.methods import source_only
from dta_bench.nn import pretrained
from dta_bench.nn.optimisation import build_optimizer
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.run_spec import LabelSubset, Training

BARS = {"cached_over_decoded": 5.0, "pipeline_over_bare": 0.9, "pipeline_over_bare_cached": 0.9, "waiting": 0.05}
"""What each ratio has to reach: reading kept images against decoding them, workers against the same transforms one by
one on a core, and at most which share of a step is spent waiting (ResNet-18, source-only)."""
RATE_LABELS = {
    "decoded": "decode and shrink", "cached": "read what is kept", "augmented": "augment and standardise",
    "bare": "decode, then augment, one by one", "pipeline": "the same in batches, once workers run",
    "bare_cached": "kept, then augmented, one by one", "pipeline_cached": "the same in batches, once workers run",
}  # fmt: skip
RATIO_LABELS = {
    "cached_over_decoded": "speed of kept / decoded images",
    "pipeline_over_bare": "speed with workers / without, from files",
    "pipeline_over_bare_cached": "speed with workers / without, kept",
    "waiting": "share of a step spent waiting",
}  # fmt: skip
CHANNELS = 3
RESNET18 = {"classification": "timm/resnet18", "segmentation": "smp/unet/resnet18"}
LONGER_BY = 8
"""How many times more often a long epoch goes through the images than a short one."""
OPTIMIZER = Training(epochs=1, optimizer="sgd", learning_rate=1e-3, batch_size=2)


def data_costs(
    name: str, root: Path, backbone: str | None, batch: int, images: int, workers: int, rounds: int
) -> dict[str, Any]:
    """Measure rates and ratios on a benchmark's first images.

    Args:
        root: where data lie.
        backbone: the network that waits for images; None takes a ResNet-18.
        batch: images of each domain in a step.
        images: how many images of source train, and of target train, are measured.
        workers: processes that read images ahead.
        rounds: how often each row is measured, in turn with the others.

    Returns:
        What ``--json`` prints: rates in images per second of processor time, and their ratios.

    Raises:
        UserError: its data are not there.
    """
    backbone = backbone or RESNET18[benchmark_of(name).task]
    benchmark, domains = benchmark_of(name), load.domains(name, str(root))
    raw = _first_images(split(domains, LabelSubset(size=0)), images)
    kept = image_cache.with_cache(raw, benchmark)
    undecoded = image_cache.with_cache(raw, benchmark, use_store=False)
    _read_images(kept)  # fills the store, so that what follows is the second epoch
    memory = {"source": list(kept.source_train.images), "target": list(kept.target_train.images)}
    lazy = is_lazy(kept.source_train.images) or is_lazy(kept.target_train.images)
    timed: dict[str, Callable[[], float]] = {
        "decoded": lambda: _read_images(undecoded),
        "cached": lambda: _read_images(kept),
        "augmented": lambda: _make_views(benchmark, memory),
        "bare": lambda: _make_views(benchmark, _training_images(undecoded)),
        "pipeline": lambda: _pipeline_rate(benchmark, undecoded, batch, workers),
        "bare_cached": lambda: _make_views(benchmark, _training_images(kept)),
        "pipeline_cached": lambda: _pipeline_rate(benchmark, kept, batch, workers),
    }
    table = [{row: measure() for row, measure in timed.items()} for _ in range(rounds)]
    ratios = {
        "cached_over_decoded": _median(row["cached"] / row["decoded"] for row in table) if lazy else None,
        "pipeline_over_bare": _median(row["pipeline"] / row["bare"] for row in table) if lazy else None,
        "pipeline_over_bare_cached": _median(row["pipeline_cached"] / row["bare_cached"] for row in table),
        "waiting": _waiting_share(benchmark, backbone, _batches(benchmark, kept, batch, workers)),
    }
    return {
        "benchmark": name, "backbone": backbone, "batch": batch, "images": images, "workers": workers if lazy else 0,
        "rounds": rounds, "in_memory": not lazy, "rates": {row: _median(r[row] for r in table) for row in timed},
        "ratios": ratios, "bars": BARS, "met": {bar: _met(bar, value) for bar, value in ratios.items()},
    }  # fmt: skip


def show(found: dict[str, Any], console: Console) -> None:
    """Print what :func:`data_costs` found as two tables."""
    title = f"{found['benchmark']}: {found['images']} images of each domain, {found['rounds']} rounds"
    rates = Table(title=title, title_justify="left")
    rates.add_column("what")
    rates.add_column("images per core-second", justify="right")
    for row, label in RATE_LABELS.items():
        rates.add_row(label, f"{found['rates'][row]:,.0f}")
    ratios = Table(
        title=f"{found['workers']} workers; {found['backbone']}, batch {found['batch']}", title_justify="left"
    )
    for column in ("ratio", "here", "bar", ""):
        ratios.add_column(column)
    for bar, label in RATIO_LABELS.items():
        value = found["ratios"][bar]
        here = "in memory" if value is None else f"{100 * value:.1f} %" if bar == "waiting" else f"{value:.2f}"
        wanted = f"< {100 * BARS[bar]:.0f} %" if bar == "waiting" else f">= {BARS[bar]:g}"
        ratios.add_row(label, here, wanted, {True: "met", False: "NOT met", None: ""}[found["met"][bar]])
    console.print(rates)
    console.print(ratios)


def _met(bar: str, value: float | None) -> bool | None:
    if value is None:
        return None
    return value < BARS[bar] if bar == "waiting" else value >= BARS[bar]


def _median(values: Iterable[float]) -> float:
    return statistics.median(values)


def _first_images(splits: Splits, count: int) -> Splits:
    source, target = splits.source_train, splits.target_train
    few = LabelledImages(source.images[:count], source.labels[:count], source.ids[:count])
    return dataclasses.replace(
        splits, source_train=few, target_train=UnlabelledImages(target.images[:count], target.ids[:count])
    )


def _read_images(splits: Splits) -> float:
    """Images of both training sets read in a second of processor time."""
    started, count = time.process_time(), 0
    for images in (splits.source_train.images, splits.target_train.images):
        for index in range(len(images)):
            images[index]
        count += len(images)
    return count / (time.process_time() - started)


def _make_views(benchmark: Benchmark, sets: Mapping[str, Sequence[Image]]) -> float:
    """Images read and made a view of, one by one in this process, in a second of processor time."""
    started, count = time.process_time(), 0
    for domain, images in sets.items():
        input_maker = InputMaker(benchmark, domain, CHANNELS)
        for index in range(len(images)):
            input_maker.write(input_maker.view(images[index], (0, 1, 0, index))[0], 0, 1, PartBuffer(), "image")
        count += len(images)
    return count / (time.process_time() - started)


def _training_images(splits: Splits) -> dict[str, Sequence[Image]]:
    return {"source": splits.source_train.images, "target": splits.target_train.images}


def _batches(benchmark: Benchmark, splits: Splits, batch: int, workers: int, times: int = 1) -> Batches:
    """Batches of the training sets; ``times`` over makes an epoch of so many times their images."""
    source, target = splits.source_train, splits.target_train
    source_indices = [i for _ in range(times) for i in range(len(source))]
    target_indices = [i for _ in range(times) for i in range(len(target))]
    return Batches(
        source.select(source_indices),
        UnlabelledImages(SelectedItems(target.images, target_indices), [target.ids[i] for i in target_indices]),
        benchmark, batch, seed=0, channels=CHANNELS, workers=workers,
    )  # fmt: skip


def _pipeline_rate(benchmark: Benchmark, splits: Splits, batch: int, workers: int) -> float:
    """Images as training gets them, in a second of this process's and its workers' time, once the workers run.

    That is what a long epoch costs more than a short one: starting workers, and the first use of each of the places
    in memory that batches are handed over in, costs the same in both.
    """
    once = _batches(benchmark, splits, batch, workers).steps
    short_one = -(-prefetch.slot_count(workers) // once) + 1
    (few, short), (many, long) = (
        _time_epoch(_batches(benchmark, splits, batch, workers, times)) for times in (short_one, short_one + LONGER_BY)
    )
    return (many - few) / max(long - short, 1e-9)


def _time_epoch(batches: Batches) -> tuple[int, float]:
    """Images of an epoch, and the processor time that it took."""
    started = _processor_seconds()
    count = sum(len(source.images) + len(target.images) for source, target in batches.epoch(1))
    return count, _processor_seconds() - started


def _processor_seconds() -> float:
    """Processor time of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _waiting_share(benchmark: Benchmark, backbone: str, batches: Batches) -> float:
    """The share of an epoch's time, after its first batch, in which a source-only step waits for its batch."""
    built = pretrained.backbone(backbone, benchmark.image_size)
    network = built.build(len(benchmark.classes)).train()
    optimizer = build_optimizer([network], OPTIMIZER)
    waited = 0.0
    parts = batches.epoch(1)
    batch = next(parts, None)
    begun = time.perf_counter()
    while batch is not None:
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(source_only.loss(network, *batch, 1, source_only.Params())["total"])
        optimizer.step()
        asked = time.perf_counter()
        batch = next(parts, None)
        waited += time.perf_counter() - asked
    return waited / (time.perf_counter() - begun)
