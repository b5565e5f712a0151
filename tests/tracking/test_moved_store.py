"""A store that is moved or copied with its folder works where it lies, and never touches where it lay."""

import shutil
import subprocess
import sys
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


CONTINUE = """
import sys
from pathlib import Path
from small_runs import spec_of
from stored_runs import finish
from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.tracking import Tracker, store_file
for folder in map(Path, sys.argv[1:]):
    tracker = Tracker(store_file.sqlite_uri(folder / "mlflow.db"), folder)
    tracker.check()
    tracker.experiment(benchmark_of("fonts_digits"))
    (run,) = tracker.runs("fonts_digits")
    assert run.status == "FINISHED"
    assert len(tracker.predictions(run)["target_test_logits"])
    finish(tracker, spec_of(seed=1), 0.7)
"""


def files_in(folder: Path) -> list[Path]:
    return sorted(path.relative_to(folder) for path in folder.rglob("*"))


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, list[Path]]:
    """Two stores, each with what lay in it; one was moved and one copied since, and work went on there.

    It reads the finished run and finishes another, in a process of its own: MLflow remembers addresses by run.
    """
    folder, helpers = tmp_path_factory.mktemp("stores"), Path(__file__).parents[1] / "helpers"
    found = {store: files_in(store) for store in (make_store(folder / "first"), make_store(folder / "original"))}
    shutil.move(folder / "first", folder / "sécond")
    shutil.copytree(folder / "original", folder / "copy")
    code = f"import sys; sys.path.insert(0, {str(helpers)!r})\n" + CONTINUE
    command = [sys.executable, "-c", code, folder / "sécond", folder / "copy"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
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
