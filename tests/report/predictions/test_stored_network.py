"""Where a run kept no network, the sentence names a command that can be given."""

from pathlib import Path

import pytest
from small_runs import spec_of
from stored_runs import finish

from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.errors import UserError
from dta_bench.report.predictions.stored_network import load_stored
from dta_bench.run.workspace import Workspace


@pytest.mark.parametrize(
    ("seed", "said"),
    [(3, "train it again with dta-bench train .* --seed 3 "), (1000, "train it again with dta-bench .* --seed 1000 ")],
)
def test_the_command_trains_this_run_also_one_that_confirms(tmp_path: Path, seed: int, said: str) -> None:
    workspace = Workspace(str(tmp_path), str(tmp_path), f"sqlite:///{tmp_path / 'mlflow.db'}")
    tracker = workspace.tracker()
    tracker.check()
    tracker.experiment(benchmark_of("fonts_digits"))
    finish(tracker, spec_of("source_only", seed=seed), 0.5)
    (run,) = tracker.runs("fonts_digits")
    with pytest.raises(UserError, match=f"kept no network; .*{said}"):
        load_stored(workspace, run)


def test_the_command_has_the_threads_and_the_data_of_the_run_and_the_store_that_was_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    workspace = Workspace(str(tmp_path / "data"), str(tmp_path), f"sqlite:///{tmp_path / 'mlflow.db'}")
    tracker = workspace.tracker()
    tracker.check()
    tracker.experiment(benchmark_of("fonts_digits"))
    finish(tracker, spec_of("source_only"), 0.5)
    for tag, value in (("threads", "1"), ("command", "dta-bench sweep fonts_digits --root /shared/data")):
        tracker.tag(tracker.runs("fonts_digits")[0], tag, value)
    (run,) = tracker.runs("fonts_digits")
    with pytest.raises(UserError) as refused:
        load_stored(workspace, run)
    said = str(refused.value)
    assert "train it again with OMP_NUM_THREADS=1 dta-bench train fonts_digits " in said
    assert said.endswith(" --keep-network --root /shared/data --out .")
