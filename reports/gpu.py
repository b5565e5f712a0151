"""How fast training is on one GPU, and what keeps it from being faster; each row is printed as soon as it is measured.

``python reports/gpu.py`` is sized for 8 minutes on a large GPU, and was tried on the CPU alone. It needs torch,
torchvision, timm, numpy, opencv and pydantic, and no file outside the checkout; images are drawn. Without a CUDA device
it says "not measured".
``--toy`` does the same on the CPU with a small network and a few steps, so that the script is tried without a GPU.
"""

from __future__ import annotations

import argparse
import dataclasses
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

import numpy as np
import torch
from torch.nn.functional import cross_entropy

sys.path.insert(0, str(Path(__file__).parents[1]))

from dta_bench.cost import measure
from dta_bench.cost.step import SOURCE_ONLY, BatchShape, ConfiguredMethod, build_learner
from dta_bench.data.counted_noise import stream_of
from dta_bench.data.device_path import counted_there
from dta_bench.data.device_path.copied_ahead import Batch, copied_ahead
from dta_bench.data.device_path.device_part import MOVES, DevicePart
from dta_bench.data.device_path.moves import Flip
from dta_bench.nn import device_settings, pretrained
from dta_bench.nn.device_settings import begin_step, compile_parts
from dta_bench.nn.learner import Learner, Progress
from dta_bench.nn.network import IMAGENET, Labelled, Network, Unlabelled
from dta_bench.spec.method_plugin import method_plugin

DTA = {
    "lambda_1": 2.0, "lambda_2": 0.02, "lambda_3": 0.2, "delta_e": 0.1, "delta_c": 0.01, "ramp_up_epochs": 30,
    "epsilon": 15.0,
}  # fmt: skip
"""The row of search_spaces/visda.yaml for resnet101."""
READERS = 8
TOGETHER = 4
AHEAD = 4  # batches that readers may have ready
OF = ("source", "target")


@dataclass(frozen=True)
class Sizes:
    """What is measured, and for how long.

    Attributes:
        steps: of one measurement, after as many warm-up steps as ``warm_up``.
    """

    device: torch.device
    large: tuple[str, BatchShape]
    small: tuple[str, BatchShape]
    steps: int
    warm_up: int
    processes_seconds: float


def sizes_of(device: torch.device, toy: bool) -> Sizes:
    """The sizes of the measurement."""
    if toy:
        shape = BatchShape("classification", 10, 8, 3, (32, 32))
        return Sizes(device, ("conv9_fc1", shape), ("conv9_fc1", shape), 2, 1, 0.5)
    large = BatchShape("classification", 12, 128, 3, (224, 224))
    small = BatchShape("classification", 10, 128, 3, (32, 32))
    return Sizes(device, ("resnet101", large), ("conv9_fc1", small), 20, 5, 10.0)


def row(what: str, value: str, bar: str = "", is_met: bool | None = None) -> None:
    """Print a row at once."""
    verdict = "" if is_met is None else " met" if is_met else " NOT MET"
    print(f"| {what} | {value} | {bar}{verdict} |", flush=True)


def rate(step: Callable[[], object], images: int, sizes: Sizes) -> float:
    """Source images a second of a step."""
    for _ in range(sizes.warm_up):
        step()
    wait(sizes.device)
    began = time.perf_counter()
    for _ in range(sizes.steps):
        step()
    wait(sizes.device)
    return sizes.steps * images / (time.perf_counter() - began)


def wait(device: torch.device) -> None:
    """Wait for all that the device still computes."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def network_of(name: str, shape: BatchShape, device: torch.device) -> Network:
    """A network with random weights, with its channels last in memory."""
    found = pretrained.backbone(name, (shape.image_size[0], shape.image_size[1])).build(shape.classes)
    return found.to(device).to(memory_format=torch.channels_last).train()


def bare_step(name: str, shape: BatchShape, device: torch.device) -> Callable[[], object]:
    """A step of the network alone: cross-entropy in bfloat16, its gradient, SGD."""
    network = network_of(name, shape, device)
    optimizer = torch.optim.SGD(network.parameters(), 1e-30, momentum=0.9)
    source, _ = shape.random(device)
    images = source.images.to(memory_format=torch.channels_last)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device.type, torch.bfloat16):
            loss = cross_entropy(network(images), source.labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def learner_of(configured: ConfiguredMethod, name: str, shape: BatchShape, device: torch.device) -> Learner:
    """A method's learner near the end of its ramps."""
    built = build_learner(network_of(name, shape, device), configured.method, configured.params, shape)
    training = built.setting.training.model_copy(update={"precision": "bfloat16", "channels_last": True})
    built.setting = dataclasses.replace(built.setting, training=training)
    built.at = Progress(10**6, 10**6 - 1, 10**6)
    return built


def method_step(built: Learner, shape: BatchShape, device: torch.device) -> Callable[[], object]:
    """A whole training step on one batch that lies on the device."""
    source, target = shape.random(device)

    def step() -> None:
        begin_step(built.setting.training, device)
        built.step_of_epoch(source, target)

    return step


def flops_ratio(configured: ConfiguredMethod, name: str, shape: BatchShape) -> float:
    """FLOPs of a method's step in source-only steps, counted without computing."""
    small = BatchShape(shape.task, shape.classes, 2, shape.channels, shape.image_size)
    meta = pretrained.backbone(name, (shape.image_size[0], shape.image_size[1])).build_on_meta(shape.classes)
    whole, base = (measure.flops(meta, one, small) for one in (configured, SOURCE_ONLY))
    return whole / base


def drawn_images(shape: BatchShape) -> Iterator[Batch]:
    """Batches of decoded images, bytes, that ``READERS`` threads put together, with their labels and flips."""
    kept = torch.randint(256, (4 * shape.size, *shape.image_size, shape.channels), dtype=torch.uint8)
    ready: Queue[Batch] = Queue(AHEAD)
    stop = threading.Event()

    def read() -> None:
        random = torch.Generator().manual_seed(threading.get_ident() % 2**31)
        while not stop.is_set():
            source, target = (torch.randint(len(kept), (shape.size,), generator=random) for _ in range(2))
            labels = torch.randint(shape.classes, (shape.size,), generator=random)
            batch = {"source": kept[source], "target": kept[target], "labels": labels}
            flips = {MOVES.format(of): torch.randint(2, (shape.size, 1), generator=random) for of in OF}
            ready.put(batch | flips)

    readers = [threading.Thread(target=read, daemon=True) for _ in range(READERS)]
    for reader in readers:
        reader.start()
    try:
        while True:
            yield ready.get()
    finally:
        stop.set()
        while not ready.empty():
            ready.get()


def share_of_waiting(built: Learner, shape: BatchShape, sizes: Sizes) -> tuple[float, float]:
    """Source images a second from decoded images on, and the share of the time in which the host waited for a batch."""
    batches = copied_ahead(drawn_images(shape), sizes.device)
    part = DevicePart((Flip(),), 0, IMAGENET, shape.channels, sizes.device)
    waited = 0.0
    for number in range(sizes.warm_up + sizes.steps):
        if number == sizes.warm_up:
            wait(sizes.device)
            began, waited = time.perf_counter(), 0.0
        asked = time.perf_counter()
        batch = next(batches)
        waited += time.perf_counter() - asked
        source, target = (part.images(batch, of) for of in OF)
        built.step_of_epoch(Labelled(source, batch["labels"]), Unlabelled(target))
    wait(sizes.device)
    whole = time.perf_counter() - began
    return sizes.steps * shape.size / whole, waited / whole


def noise_ratio(shape: BatchShape, sizes: Sizes) -> float:
    """How many times as fast noise is when it is counted there as when it is drawn here and copied there."""
    size, random = (shape.size, *shape.image_size, shape.channels), np.random.default_rng(0)
    streams = torch.from_numpy(np.stack([stream_of((0, 1, 0, 0, index)) for index in range(shape.size)]))

    def drawn() -> object:
        return next(copied_ahead([{"": torch.from_numpy(random.standard_normal(size, np.float32))}], sizes.device))

    def counted() -> object:
        return counted_there.normals(next(copied_ahead([{"": streams}], sizes.device))[""], size[1:])

    return rate(counted, shape.size, sizes) / rate(drawn, shape.size, sizes)


def compiled(built: Learner, toy: bool) -> Learner:
    """The same learner with body, neck and head compiled for launches of little work."""
    if toy:
        device_settings.BACKEND = "eager"  # compiles nothing
    training = built.setting.training.model_copy(update={"compile": "reduce_overhead"})
    built.setting = dataclasses.replace(built.setting, training=training)
    compile_parts(built.net, training)
    return built


def train_alone(sizes: Sizes) -> None:
    """Be one of several processes on the GPU: train the small network for some seconds and print the rate."""
    name, shape = sizes.small
    step = method_step(learner_of(SOURCE_ONLY, name, shape, sizes.device), shape, sizes.device)
    for _ in range(sizes.warm_up):
        step()
    wait(sizes.device)
    print("ready", flush=True)
    sys.stdin.readline()
    began, steps = time.perf_counter(), 0
    while time.perf_counter() - began < sizes.processes_seconds:
        step()
        wait(sizes.device)
        steps += 1
    print(steps * shape.size / (time.perf_counter() - began), flush=True)


def together(count: int, toy: bool) -> float:
    """Source images a second of some processes on one GPU, all of them together."""
    command = [sys.executable, __file__, "--alone", *(["--toy"] if toy else [])]
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(count)
    ]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in running:  # all begin when all are ready
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return sum(float(process.communicate()[0]) for process in running)


def main(toy: bool) -> None:
    """Measure all rows."""
    if not toy and not torch.cuda.is_available():
        print("not measured: there is no CUDA device here")
        return
    device = torch.device("cpu" if toy else "cuda")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.benchmark = True
    sizes, dta = sizes_of(device, toy), method_plugin("dta")
    start = {"start": "stochastic"} if toy else {}  # the small network has no dropout above the mask
    configured = ConfiguredMethod(dta, dta.params(dta.defaults() | DTA | start))
    where = "the CPU, toy sizes: these rows say nothing about speed" if toy else torch.cuda.get_device_name()
    print(f"On {where}; torch {torch.__version__}, bfloat16, channels last, TF32, cudnn.benchmark.\n")
    print("| what | measured | bar |\n| --- | --- | --- |", flush=True)
    name, shape = sizes.large
    images = f"{name}, {shape.size} + {shape.size} images of {shape.image_size[0]} px"
    bare = rate(bare_step(name, shape, device), shape.size, sizes)
    row(f"{images}: the bare model", f"{bare:.0f} images/s")
    source_only = rate(method_step(learner_of(SOURCE_ONLY, name, shape, device), shape, device), shape.size, sizes)
    row("source_only, of the bare model's rate", f"{source_only / bare:.0%}", ">= 85 %", source_only >= 0.85 * bare)
    allowed = source_only / flops_ratio(configured, name, shape)
    of_dta = rate(method_step(learner_of(configured, name, shape, device), shape, device), shape.size, sizes)
    row("dta, of what its FLOPs allow", f"{of_dta / allowed:.0%}", ">= 85 %", of_dta >= 0.85 * allowed)
    fed, waiting = share_of_waiting(learner_of(SOURCE_ONLY, name, shape, device), shape, sizes)
    row(f"source_only from decoded bytes, {READERS} readers", f"{fed:.0f} images/s")
    row("of that time, waiting for data", f"{waiting:.1%}", "<= 5 %", waiting <= 0.05)
    name, shape = sizes.small
    row("noise counted there", f"{noise_ratio(shape, sizes):.2f} times as fast as drawn here and copied")
    plain = rate(method_step(learner_of(SOURCE_ONLY, name, shape, device), shape, device), shape.size, sizes)
    row(f"{name} at {shape.image_size[0]} px, today's path", f"{plain:.0f} images/s")
    fast = compiled(learner_of(SOURCE_ONLY, name, shape, device), toy)
    quick = rate(method_step(fast, shape, device), shape.size, sizes)
    row("the same, compiled", f"{quick / plain:.2f} times", ">= 3 times", quick >= 3 * plain)
    one, several = together(1, toy), together(TOGETHER, toy)
    row(f"{TOGETHER} such runs as plain processes", f"{several / one:.2f} times one", ">= 2 times", several >= 2 * one)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--toy", action="store_true", help="on the CPU, at sizes that say nothing about speed")
    arguments.add_argument("--alone", action="store_true", help="be one of several processes")
    given = arguments.parse_args()
    if given.alone:
        train_alone(sizes_of(torch.device("cpu" if given.toy else "cuda"), given.toy))
    else:
        main(given.toy)
