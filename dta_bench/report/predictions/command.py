"""What ``dta-bench predict`` does: find network and images, predict batch by batch, and tell what could not be read."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress

from dta_bench.domains.images import Image
from dta_bench.errors import UserError
from dta_bench.report.predictions.choose_run import ChosenRun, choose_run
from dta_bench.report.predictions.find_run import find_run
from dta_bench.report.predictions.images_to_predict import NamedImage
from dta_bench.report.predictions.predictor import Predictor, Size
from dta_bench.report.predictions.sinks import MapSink, RowSink, printable
from dta_bench.report.predictions.stored_network import load_whole
from dta_bench.run import network_file
from dta_bench.run.network_file import LoadedNetwork
from dta_bench.run.workspace import Workspace
from dta_bench.tracking import TrackedRun

MAX_NAMED = 20
"""Of many files that cannot be read, so many are named."""


@dataclass
class Predicted:
    """How many images were predicted, and why others could not be read, by name."""

    images: int = 0
    unreadable: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class NamedNetwork:
    """A network, which one it is in words, and its run; None where it comes from a file."""

    loaded: LoadedNetwork
    what: str
    run: TrackedRun | None = None


def named_network(name: str, workspace: Workspace) -> NamedNetwork:
    """The network of a run or of a file ``*.safetensors``.

    Raises:
        UserError: no such run, or it kept no network.
    """
    if name.endswith(".safetensors"):
        loaded = network_file.load(Path(name).expanduser())
        return NamedNetwork(loaded, f"{name}, of run {loaded.card.run_spec.id}")
    tracker = workspace.tracker()
    tracker.check_address()
    run = find_run(tracker, name)
    return NamedNetwork(load_whole(workspace, run), f"run {run.run_id} ({run.name})", run)


def best_network(name: str, rule: str | None, workspace: Workspace) -> NamedNetwork:
    """The network of what a rule chooses; see :func:`choose_run`."""
    tracker = workspace.tracker()
    tracker.check_address()
    chosen: ChosenRun = choose_run(tracker, name, rule)
    what = f"run {chosen.run.run_id} ({chosen.run.name}), {chosen.how}"
    return NamedNetwork(load_whole(workspace, chosen.run), what, chosen.run)


def predict_rows(predictor: Predictor, images: Sequence[NamedImage], sink: RowSink, console: Console) -> Predicted:
    """Predict images of one class each, a row an image; what cannot be read has none."""
    found = Predicted()
    with sink:
        for batch in _read_batches(predictor, images, found, console):
            probabilities = predictor.probabilities([image for _, image, _ in batch])
            sink.write([one.name for one, _, _ in batch], np.asarray(probabilities, np.float32))
    return found


def predict_maps(predictor: Predictor, images: Sequence[NamedImage], sink: MapSink, console: Console) -> Predicted:
    """Predict label maps, each at the size of its image."""
    found = Predicted()
    for batch in _read_batches(predictor, images, found, console):
        maps = predictor.label_maps([image for _, image, _ in batch], [size for _, _, size in batch])
        for (one, _, _), labels in zip(batch, maps, strict=True):
            sink.write(one.name, labels)
    return found


def print_outcome(found: Predicted, what: str, console: Console) -> None:
    """Print how many images were predicted, by what, and name those that could not be read."""
    lines = [f"{found.images:,} image{'' if found.images == 1 else 's'} predicted by {what}"]
    if found.unreadable:
        lines.append(f"{len(found.unreadable):,} could not be read and have no prediction:")
        lines += [f"  {printable(name)}: {why}" for name, why in islice(found.unreadable.items(), MAX_NAMED)]
        more = len(found.unreadable) - MAX_NAMED
        lines += [f"  and {more:,} more"] if more > 0 else []
    print_lines(lines, console)


def print_lines(lines: Sequence[str], console: Console) -> None:
    """Print lines that may hold names of files, as they are."""
    for line in lines:
        safe = line.encode("utf-8", "backslashreplace").decode()
        console.print(safe, highlight=False, soft_wrap=True, markup=False)


def _read_batches(
    predictor: Predictor, images: Sequence[NamedImage], found: Predicted, console: Console
) -> Iterator[list[tuple[NamedImage, Image, Size]]]:
    """Batches of images that can be read, in order; two batches at most are in memory."""
    progress = Progress(console=console, transient=True, disable=not console.is_terminal)
    with progress, ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        task = progress.add_task("predicting", total=len(images))
        waiting: deque[list[Future[tuple[Image, Size] | str]]] = deque()
        chunks = [images[i : i + predictor.batch_size] for i in range(0, len(images), predictor.batch_size)]
        for number, chunk in enumerate(chunks):
            for ahead in chunks[number + len(waiting) : number + 2]:
                waiting.append([pool.submit(_try_to_read, predictor, one) for one in ahead])
            results = [future.result() for future in waiting.popleft()]
            pairs = list(zip(chunk, results, strict=True))
            found.unreadable |= {one.name: read for one, read in pairs if isinstance(read, str)}
            batch = [(one, *read) for one, read in pairs if not isinstance(read, str)]
            found.images += len(batch)
            if batch:
                yield batch
            progress.advance(task, len(chunk))


def _try_to_read(predictor: Predictor, image: NamedImage) -> tuple[Image, Size] | str:
    """The image and its own size, or why it cannot be read."""
    try:
        return predictor.read(image.path)
    except UserError as error:
        return str(error)
