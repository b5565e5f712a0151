"""Writing one run: what it is, each epoch, and everything that later selection may read."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dta_bench.experiment import RunResult, RunSpec

Arrays = dict[str, NDArray[Any]]
PREDICTIONS = "predictions.npz"


class RunLog:
    """Writes one MLflow run through ``client``."""

    def __init__(self, client: Any, mlflow_run_id: str, spec: RunSpec) -> None:
        self._client, self.mlflow_run_id, self._spec = client, mlflow_run_id, spec

    def describe(self, inert: set[str]) -> None:
        """Log what the run is: every parameter (``n/a`` where it has no effect), training, label subset, seed."""
        from mlflow.entities import Param

        self._client.log_dict(self.mlflow_run_id, self._spec.to_dict(), "run_spec.json")
        params = [Param(key, str(value)) for key, value in _flat(self._spec, inert).items()]
        self._client.log_batch(self.mlflow_run_id, params=params)

    def log_epoch(self, epoch: int, metrics: dict[str, float]) -> None:
        """One batch, with the epoch as its step; an epoch that is told twice, after a restart, is the same numbers."""
        self._log(metrics, epoch)

    def finish(self, result: RunResult, arrays: Arrays, confusion: NDArray[np.int64], classes: Sequence[str]) -> None:
        """Log the one measurement of target test and everything later selection may read, then close the run.

        Args:
            arrays: by name; float32 is stored in half precision. See ``training.Finished.arrays``.
            confusion: (K, K) of target test, a row a true class.
        """
        self._log(_final(result), result.epochs)
        ids = {"ids": [str(i) for i in arrays["target_validation_ids"]]}
        self._client.log_dict(self.mlflow_run_id, ids, "label_subset.json")
        self._client.log_text(self.mlflow_run_id, _csv(confusion, classes), "confusion.csv")
        self._client.log_figure(self.mlflow_run_id, _figure(confusion, classes), "confusion.png")
        self._log_arrays(arrays)
        self._client.set_tag(self.mlflow_run_id, "collapsed", str(result.collapsed).lower())
        self._client.set_terminated(self.mlflow_run_id, "FINISHED")

    def keep(self, path: Path, folder: str | None = None) -> None:
        """Keep a file with the run."""
        self._client.log_artifact(self.mlflow_run_id, str(path), folder)

    def fail(self, reason: str) -> None:
        """Close the run as diverged, with its reason; the same data and code would diverge again."""
        self._client.set_tag(self.mlflow_run_id, "reason", reason)
        self._client.set_tag(self.mlflow_run_id, "diverged", "true")
        self._client.set_terminated(self.mlflow_run_id, "FAILED")

    def stop(self, reason: str) -> None:
        """Close the run as failed, with its reason, for the user to mend something and run it again."""
        self._client.set_tag(self.mlflow_run_id, "reason", reason)
        self._client.set_terminated(self.mlflow_run_id, "FAILED")

    def kill(self) -> None:
        """Close the run as interrupted; it can be opened again."""
        self._client.set_terminated(self.mlflow_run_id, "KILLED")

    def _log(self, metrics: dict[str, float], step: int) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._client.log_batch(self.mlflow_run_id, metrics=[Metric(k, v, now, step) for k, v in metrics.items()])

    def _log_arrays(self, arrays: Arrays) -> None:
        small: dict[str, Any] = {n: a.astype(np.float16) if a.dtype == np.float32 else a for n, a in arrays.items()}
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, PREDICTIONS)
            np.savez_compressed(path, **small)
            self._client.log_artifact(self.mlflow_run_id, str(path))


def _flat(spec: RunSpec, inert: set[str]) -> dict[str, Any]:
    flat = {"backbone": spec.backbone, "weights": spec.weights, "method": spec.method, "seed": spec.seed}
    flat |= {key: "n/a" if key in inert else value for key, value in spec.params.items()}
    flat |= {f"training.{key}": value for key, value in spec.training.model_dump().items()}
    return flat | {f"labels.{key}": value for key, value in spec.label_subset.model_dump().items()}


def _final(result: RunResult) -> dict[str, float]:
    found = {"seconds": result.seconds}
    for part in ("test", "validation", "source_validation", "whole"):
        scores = getattr(result, part)
        found |= {f"{part}/{key}": value for key, value in scores.means().items()} if scores else {}
    return found | {f"test/class/{name}": value for name, value in result.test.per_class.items() if value is not None}


def _csv(confusion: NDArray[np.int64], classes: Sequence[str]) -> str:
    head = ",".join(["true \\ predicted", *classes])
    rows = [",".join([name, *map(str, row)]) for name, row in zip(classes, confusion, strict=True)]
    return "\n".join([head, *rows]) + "\n"


def _figure(confusion: NDArray[np.int64], classes: Sequence[str]) -> Any:
    """Without pyplot, which keeps figures in a process-wide state and may ask for a screen."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 5.5), layout="constrained")
    axes = figure.subplots()
    share = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    shown = axes.imshow(100 * share, cmap="cividis", vmin=0, vmax=100)
    axes.set_xticks(range(len(classes)), classes, rotation=45, ha="right")
    axes.set_yticks(range(len(classes)), classes)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    figure.colorbar(shown, label="% of the true class")
    return figure
