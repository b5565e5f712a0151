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


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store with a finished run."""
    folder = tmp_path / "first"
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
folder = Path(sys.argv[1])
tracker = Tracker(store_file.sqlite_uri(folder / "mlflow.db"), folder)
tracker.check()
tracker.experiment(benchmark_of("fonts_digits"))
(run,) = tracker.runs("fonts_digits")
assert run.status == "FINISHED"
assert len(tracker.predictions(run)["target_test_logits"])
finish(tracker, spec_of(seed=1), 0.7)
"""


def go_on_in(folder: Path) -> None:
    """Read the finished run and finish another, in a process of its own: MLflow remembers addresses by run."""
    helpers = Path(__file__).parents[1] / "helpers"
    code = f"import sys; sys.path.insert(0, {str(helpers)!r})\n" + CONTINUE
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_moved_store_reads_its_runs_and_writes_new_ones_beside_them(store: Path, tmp_path: Path) -> None:
    moved = shutil.move(store, tmp_path / "sécond")
    go_on_in(Path(moved))
    assert len(list(Path(moved, "mlartifacts").iterdir())) == 2
    assert not store.exists()


def test_a_copy_leaves_the_original_as_it_was(store: Path, tmp_path: Path) -> None:
    before = sorted(path.relative_to(store) for path in store.rglob("*"))
    copy = shutil.copytree(store, tmp_path / "copy")
    go_on_in(copy)
    assert len(list((copy / "mlartifacts").iterdir())) == 2
    assert sorted(path.relative_to(store) for path in store.rglob("*")) == before


def test_a_store_whose_artifacts_lie_elsewhere_by_choice_keeps_them_there(tmp_path: Path) -> None:
    (tmp_path / "db" / "mlartifacts").mkdir(parents=True)
    uri = store_file.sqlite_uri(tmp_path / "db" / "mlflow.db")
    tracker = Tracker(uri, tmp_path / "out")
    tracker.check()
    tracker.experiment(benchmark_of("fonts_digits"))
    finish(tracker, spec_of(), 0.8)
    (run,) = Tracker(uri, tmp_path / "out").runs("fonts_digits")
    assert run.artifact_uri.startswith((tmp_path / "out" / "mlartifacts").as_uri())
