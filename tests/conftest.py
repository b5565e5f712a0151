"""Shared by all tests: one thread, so that numbers are the same on any machine; small cuts of the real digits."""

import dataclasses
import functools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
import typer.main
import typer.testing
from hypothesis import settings

from dta_bench.data import load, splits
from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.domains.images import Domains, LabelledImages, Splits
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.run_spec import LabelSubset

if TYPE_CHECKING:
    from fault_notes import Note
    from netns_autoscaler import Elastic
    from netns_cluster import Cluster
    from netns_slurm import Slurm

torch.set_num_threads(1)
settings.register_profile("any machine", deadline=None)  # no test has a clock
settings.load_profile("any machine")


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of one call of pytest share."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session", autouse=True)
def own_image_cache(shared_folder: Path) -> None:
    """Decoded images and counts go to the tests' own folder."""
    os.environ["DTA_BENCH_CACHE"] = str(shared_folder / "image_cache")


@pytest.fixture(scope="session", autouse=True)
def commands_made_once() -> Iterator[None]:
    """Typer makes all commands anew for each line that is run; a process of a user runs one line."""
    made = functools.cache(typer.main.get_command)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typer.main, "get_command", made)
        patch.setattr(typer.testing, "_get_command", made)
        yield


@pytest.fixture(scope="session", autouse=True)
def tables_of_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """MLflow makes the tables of a store once a process; further stores get a copy."""
    from mlflow_tables import client_that_copies

    from dta_bench.tracking import connection

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection, "client", client_that_copies(tmp_path_factory.mktemp("tables") / "mlflow.db"))
        yield


@pytest.fixture(scope="session", autouse=True)
def images_drawn_once(shared_folder: Path) -> Iterator[None]:
    """What needs no download is drawn or read once, whichever folder of data a test names: it takes seconds."""
    from dta_bench.benchmarks import _digits, _streets
    from dta_bench.benchmarks._drawing_cache import load_or_draw

    def load_or_copy(folder: Path, name: str, modules: Any, draw: Any) -> dict[str, Any]:
        return load_or_draw(folder, name, modules, lambda: load_or_draw(shared_folder, name, modules, draw))

    with pytest.MonkeyPatch.context() as patch:
        for name in ("fonts", "optdigits", "mnist_5k"):
            patch.setattr(_digits, name, functools.cache(getattr(_digits, name)))
        patch.setattr(_streets, "load_or_draw", load_or_copy)
        yield


def cut(images: LabelledImages, count: int) -> LabelledImages:
    """The first ``count`` images of a set."""
    return LabelledImages(images.images[:count], np.asarray(images.labels)[:count], images.ids[:count])


@pytest.fixture(scope="session")
def small_digits(tmp_path_factory: pytest.TempPathFactory) -> Domains:
    """Real digits (fonts to handwriting), few of them."""
    whole = load.domains("fonts_digits", str(tmp_path_factory.mktemp("data")))
    parts = {
        name: cut(getattr(whole, name), count)
        for name, count in (
            ("source_train", 96),
            ("source_validation", 32),
            ("target_train", 96),
            ("target_test", 48),
        )
    }
    return dataclasses.replace(whole, **parts)


@pytest.fixture(scope="session")
def finished_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The --out of two finished runs, of dta and source_only; for tests that copy it, as making one takes seconds."""
    from small_runs import spec_of
    from stored_runs import finish

    from dta_bench.tracking import Tracker, store_file

    made = tmp_path_factory.mktemp("made")
    tracker = Tracker(store_file.sqlite_uri(made / "mlflow.db"), made)
    tracker.check()
    tracker.experiment(benchmark_of("fonts_digits"))
    for method in ("dta", "source_only"):
        finish(tracker, spec_of(method), 0.8)
    return made


@pytest.fixture(scope="session")
def digits_benchmark() -> Benchmark:
    return benchmark_of("fonts_digits")


@pytest.fixture
def small_splits(small_digits: Domains) -> Splits:
    return splits.split(small_digits, LabelSubset(size=40))


@pytest.fixture
def note(request: pytest.FixtureRequest) -> "Note":
    """Write a row of the table of faults, if ``DTA_BENCH_FAULTS`` names a file."""

    def write(injected: str, seen: str) -> None:
        if file := os.environ.get("DTA_BENCH_FAULTS"):
            with Path(file).open("a") as table:
                table.write(json.dumps({"test": request.function.__name__, "injected": injected, "seen": seen}) + "\n")

    return write


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory of the test's own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Cluster"]:
    """A real cluster on hosts of our own, shared by all tests that ask for it."""
    import netns_cluster
    import netns_lab

    if (reason := netns_lab.why_not()) is not None:
        pytest.skip(reason)
    yield from netns_cluster.up(tmp_path_factory.mktemp("lab") / "lab")


@pytest.fixture(scope="module")
def elastic(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Elastic"]:
    """A head whose machines come and go, shared by a file's tests."""
    import netns_autoscaler
    import netns_lab

    if (reason := netns_lab.why_not()) is not None:
        pytest.skip(reason)
    yield from netns_autoscaler.up(tmp_path_factory.mktemp("elastic") / "lab")


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Slurm"]:
    """A real Slurm on two hosts of our own, shared by all tests that ask for it."""
    import netns_slurm

    if (reason := netns_slurm.why_not()) is not None:
        pytest.skip(reason)
    yield from netns_slurm.up(tmp_path_factory.mktemp("slurm") / "lab")
