"""A store that is moved or copied with its folder works where it lies, and never touches where it lay."""

import shutil
from collections import OrderedDict
from pathlib import Path

import pytest
from small_runs import spec_of
from stored_runs import finish

from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.tracking import Tracker, store_file


def open_store(folder: Path) -> Tracker:
    return Tracker(store_file.sqlite_uri(folder / "mlflow.db"), folder)


def make_store(folder: Path) -> Path:
    """A store with a finished run."""
    folder.mkdir()
    tracker = open_store(folder)
    tracker.check()
    tracker.experiment(benchmark_of("fonts_digits"))
    finish(tracker, spec_of(), 0.8)
    return folder


def go_on(folder: Path) -> None:
    """Read the finished run of a store and finish another."""
    tracker = open_store(folder)
    tracker.check()
    tracker.experiment(benchmark_of("fonts_digits"))
    (run,) = tracker.runs("fonts_digits")
    assert run.status == "FINISHED"
    assert len(tracker.predictions(run)["target_test_logits"])
    finish(tracker, spec_of(seed=1), 0.7)


def files_in(folder: Path) -> list[Path]:
    return sorted(path.relative_to(folder) for path in folder.rglob("*"))


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, list[Path]]:
    """Two stores, each with what lay in it; one was moved and one copied since, and work went on there.

    MLflow remembers addresses by run for the life of a process; here it forgets them, as if another process went on.
    """
    folder = tmp_path_factory.mktemp("stores")
    found = {store: files_in(store) for store in (make_store(folder / "first"), make_store(folder / "original"))}
    shutil.move(folder / "first", folder / "sécond")
    shutil.copytree(folder / "original", folder / "copy")
    for store in (folder / "sécond", folder / "copy"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("mlflow.tracking._tracking_service.utils._artifact_repos_cache", OrderedDict())
            go_on(store)
    return found


def test_a_moved_store_reads_its_runs_and_writes_new_ones_beside_them(before: dict[Path, list[Path]]) -> None:
    store, _ = before
    assert len(list((store.parent / "sécond" / "mlartifacts").iterdir())) == 2
    assert not store.exists()


def test_a_copy_leaves_the_original_as_it_was(before: dict[Path, list[Path]]) -> None:
    _, original = before
    assert len(list((original.parent / "copy" / "mlartifacts").iterdir())) == 2
    assert files_in(original) == before[original]


def test_a_store_whose_artifacts_lie_elsewhere_by_choice_keeps_them_there(tmp_path: Path) -> None:
    (tmp_path / "db" / "mlartifacts").mkdir(parents=True)
    uri = store_file.sqlite_uri(tmp_path / "db" / "mlflow.db")
    tracker = Tracker(uri, tmp_path / "out")
    tracker.check()
    tracker.experiment(benchmark_of("fonts_digits"))
    finish(tracker, spec_of(), 0.8)
    (run,) = Tracker(uri, tmp_path / "out").runs("fonts_digits")
    assert run.artifact_uri.startswith((tmp_path / "out" / "mlartifacts").as_uri())
