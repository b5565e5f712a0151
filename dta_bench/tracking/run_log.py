"""Writing one run: what it is, each epoch, and everything that later selection may read."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dta_bench.errors import UserError
from dta_bench.spec.run_spec import RunResult, RunSpec
from dta_bench.tracking import ui_metadata
from dta_bench.tracking.retry import retrying
from dta_bench.tracking.spool import Entry, Spool

Arrays = dict[str, NDArray[Any]]
PREDICTIONS = "predictions.npz"


LAST_WORDS = 10.0  # seconds that a run which has to make room waits for the server


class RunLog:
    """Writes one MLflow run through ``client``; metrics go by way of a file, so that the server may be away.

    Args:
        uri: of the store.
        folder: where metrics wait that have not arrived; those of a process that died there are sent too.
    """

    def __init__(self, client: Any, mlflow_run_id: str, spec: RunSpec, uri: str, folder: Path) -> None:
        self._client, self.mlflow_run_id, self._spec, self.uri = client, mlflow_run_id, spec, uri
        self._spool = Spool(folder / f"{spec.id}.metrics.jsonl", self._send, uri)

    def describe(self, inert: set[str], fingerprint: str) -> None:
        """Log what the run is: every parameter (``n/a`` where it has no effect), training, label subset, seed, data."""
        from mlflow.entities import Param, RunTag

        self._client.log_dict(self.mlflow_run_id, self._spec.to_dict(), "run_spec.json")
        params = [Param(key, str(value)) for key, value in _flat(self._spec, inert).items()]
        note = RunTag("mlflow.note.content", ui_metadata.description(self._spec, inert))
        self._client.log_inputs(self.mlflow_run_id, datasets=ui_metadata.data_sets(self._spec, fingerprint))
        self._client.log_batch(self.mlflow_run_id, params=params, tags=[note])

    def log_epoch(self, epoch: int, metrics: dict[str, float]) -> None:
        """One batch, with the epoch as its step; an epoch that is told twice, after a restart, is the same numbers.

        Returns at once; :meth:`finish`, :meth:`fail` and :meth:`flush` wait until it has arrived.
        """
        self._log(metrics, epoch)

    def flush(self) -> None:
        """Wait until all epochs have arrived."""
        self._spool.flush()

    def finish(self, result: RunResult, arrays: Arrays, confusion: NDArray[np.int64], classes: Sequence[str]) -> None:
        """Log the one measurement of target test and everything later selection may read, then close the run.

        Args:
            arrays: by name; float32 is stored in half precision. See ``training.Finished.arrays``.
            confusion: (K, K) of target test, a row a true class.
        """
        self._log(_final(result), result.epochs)
        self._spool.close()
        retrying(self.uri)(self._finish, result, arrays, confusion, classes)

    def _finish(self, result: RunResult, arrays: Arrays, confusion: NDArray[np.int64], classes: Sequence[str]) -> None:
        ids = {"ids": [str(i) for i in arrays["target_validation_ids"]]}
        self._client.log_dict(self.mlflow_run_id, ids, "label_subset.json")
        self._client.log_text(self.mlflow_run_id, _csv(confusion, classes), "confusion.csv")
        self._client.log_figure(self.mlflow_run_id, _figure(confusion, classes), "confusion.png")
        self._log_arrays(arrays)
        self._client.set_tag(self.mlflow_run_id, "collapsed", str(result.collapsed).lower())
        self._client.set_terminated(self.mlflow_run_id, "FINISHED")

    def keep(self, path: Path, folder: str | None = None) -> None:
        """Keep a file with the run."""
        retrying(self.uri)(self._client.log_artifact, self.mlflow_run_id, str(path), folder)

    def fail(self, reason: str) -> None:
        """Close the run as diverged, with its reason; the same data and code would diverge again."""
        self._spool.close()
        retrying(self.uri)(self._fail, reason)

    def _fail(self, reason: str) -> None:
        self._client.set_tag(self.mlflow_run_id, "reason", reason)
        self._client.set_tag(self.mlflow_run_id, "diverged", "true")
        self._client.set_terminated(self.mlflow_run_id, "FAILED")

    def stop(self, reason: str) -> None:
        """Close the run as failed, with its reason, for the user to mend something and run it again."""
        with contextlib.suppress(UserError):  # what has not arrived is sent when it is run again
            self._spool.close(LAST_WORDS)
        self._spool.abandon()
        retrying(self.uri)(self._stop, reason)

    def _stop(self, reason: str) -> None:
        self._client.set_tag(self.mlflow_run_id, "reason", reason)
        self._client.set_terminated(self.mlflow_run_id, "FAILED")

    def kill(self) -> None:
        """Close the run as interrupted, soon; it can be opened again, and what has not arrived is sent then."""
        with contextlib.suppress(Exception):  # a server that is away must not hold up whoever has to make room
            self._spool.close(LAST_WORDS)
            retrying(self.uri, LAST_WORDS)(self._client.set_terminated, self.mlflow_run_id, "KILLED")
        self._spool.abandon()

    def _log(self, metrics: dict[str, float], step: int) -> None:
        self._spool.put({"at": int(time.time() * 1000), "step": step, "metrics": metrics})

    def _send(self, entry: Entry) -> None:
        """The time of writing goes with an entry, so that MLflow takes one that comes twice for the same."""
        from mlflow.entities import Metric

        metrics = [Metric(key, value, entry["at"], entry["step"]) for key, value in entry["metrics"].items()]
        self._client.log_batch(self.mlflow_run_id, metrics=metrics)

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
    found = {"seconds": result.seconds, "measuring_seconds": result.measuring_seconds}
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
