"""A kept network is a logged model, which MLflow's pages list with its scores and the data they were measured on."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_runs import spec_of
from stored_runs import CLASSES, LABELS, logits_of

from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.evaluation import metrics
from dta_bench.spec.run_spec import RunResult
from dta_bench.tracking import Tracker
from dta_bench.tracking.logged_models import FILE


@pytest.fixture
def tracker(tmp_path: Path) -> Tracker:
    """A store with one finished run, whose network is kept."""
    made = Tracker(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path)
    made.check()
    made.experiment(benchmark_of("fonts_digits"))
    spec = spec_of("dta")
    log = made.open_run(spec, None, "dta seed=0", set(), {"data_fingerprint": "d" * 64})
    (tmp_path / FILE).write_bytes(b"weights")
    log.add_network(tmp_path / FILE)
    log.add_network(tmp_path / FILE)  # as a run does that was killed behind it
    logits, names = logits_of(0.6, spec), [str(k) for k in range(CLASSES)]
    confusion = metrics.confusion_matrix(LABELS, logits.argmax(axis=1), CLASSES)
    scored = metrics.scores(confusion, names)
    log.finish(RunResult(spec.id, scored, scored, scored, False, 2, 1.0, 0.5), {"l": logits}, confusion, names)
    return made


def models(tracker: Tracker) -> list[Any]:
    return list(tracker._client.search_logged_models([tracker.experiments()["fonts_digits"]]))


def test_a_kept_network_is_one_model_of_its_run_with_scores_on_target_test(tracker: Tracker) -> None:
    (run,) = tracker.runs("fonts_digits")
    (model,) = models(tracker)
    assert (model.source_run_id, model.tags["run_id"], str(model.status)) == (run.mlflow_run_id, run.run_id, "READY")
    scores = {one.key: (one.value, one.dataset_name) for one in model.metrics}
    assert scores["test/accuracy"] == (run.metrics["test/accuracy"], "fonts_digits target test")
    assert not any(key.startswith("validation/") for key in scores)


def test_a_network_that_is_removed_is_no_model_any_more(tracker: Tracker) -> None:
    (run,) = tracker.runs("fonts_digits")
    assert tracker.remove_file(run.mlflow_run_id, FILE)
    assert models(tracker) == []
    tracker.remove_run(run.mlflow_run_id)  # whose model is gone already
    assert tracker.runs("fonts_digits") == []


def test_a_server_without_logged_models_is_no_obstacle(tracker: Tracker, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import ENDPOINT_NOT_FOUND

    def refuse(*_: Any, **__: Any) -> None:
        raise MlflowException("no such endpoint", ENDPOINT_NOT_FOUND)

    log = tracker.open_run(spec_of("dta", seed=1), None, "dta seed=1", set(), {})
    monkeypatch.setattr(tracker._client._client, "create_logged_model", refuse)
    log.add_network(Path(tracker.out, FILE))
    assert len(models(tracker)) == 1


def test_a_tie_of_half_precision_does_not_change_a_prediction(tracker: Tracker) -> None:
    spec = spec_of("dta", seed=2)
    logits = np.array([[8.0, 8.001, 0.0], [1.0, 2.0, 3.0]], np.float32)
    assert logits.astype(np.float16).argmax(axis=1)[0] == 0  # what rounding alone would make of it
    log = tracker.open_run(spec, None, "dta seed=2", set(), {})
    scored = metrics.scores(np.eye(3, dtype=np.int64), ["a", "b", "c"])
    log.finish(RunResult(spec.id, scored, scored, scored, False, 2, 1.0, 0.5), {"target_test_logits": logits}, None, [])
    run = next(one for one in tracker.runs("fonts_digits") if one.spec.seed == 2)
    assert tracker.predictions(run)["target_test_logits"].argmax(axis=1).tolist() == [1, 2]
