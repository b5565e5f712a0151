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
