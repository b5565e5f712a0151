"""Writing one run to MLflow: its description, each epoch, its results, and how it ended."""

from __future__ import annotations

import contextlib
import csv
import io
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dta_bench.errors import UserError
from dta_bench.spec.run_spec import RunResult, RunSpec
from dta_bench.tracking import class_record, logged_models, metric_names, ui_metadata
from dta_bench.tracking.class_record import ClassRecord, ClassRow
from dta_bench.tracking.retry import retrying, store_what_runs_share
from dta_bench.tracking.spool import Entry, Spool

Arrays = dict[str, NDArray[Any]]
PREDICTIONS = "predictions.npz"
HURRY_SECONDS = 10.0  # how long a run that has to end soon waits for the server


class RunLog:
    """Writes one MLflow run through ``client``; metrics wait in a file while the server is away.

    A run ends in one of four ways: :meth:`finish`, :meth:`fail`, :meth:`fail_diverged`, :meth:`interrupt`.

    Args:
        uri: of the store.
        folder: for the file of metrics that have not arrived. Metrics that a dead process left there are sent, too.
    """

    def __init__(self, client: Any, mlflow_run_id: str, spec: RunSpec, uri: str, folder: Path) -> None:
        self._client, self.mlflow_run_id, self._spec, self.uri = client, mlflow_run_id, spec, uri
        self._model_id: str | None = None
        self._spool = Spool(folder / f"{spec.id}.metrics.jsonl", self._send, uri)
        self._classes = ClassRecord(class_record.path_in(folder, spec.id))

    def describe(self, inert: set[str], fingerprint: str) -> None:
        """Log what the run is: every parameter, training, labelled subset, seed and data.

        Args:
            inert: parameters without effect at this point; their value is logged as ``n/a``.
            fingerprint: of the data.
        """
        from mlflow.entities import Param, RunTag

        spelled = {"params": self._spec.identifying_fields()["params"]}  # 2.0 of a file is 2 of a command line
        self._client.log_dict(self.mlflow_run_id, self._spec.to_dict() | spelled, "run_spec.json")
        params = [Param(key, str(value)) for key, value in _flat(self._spec, inert).items()]
        note = RunTag("mlflow.note.content", ui_metadata.description(self._spec, inert))
        data_sets = ui_metadata.data_sets(self._spec, fingerprint)
        store_what_runs_share(self._client.log_inputs, self.mlflow_run_id, datasets=data_sets)
        self._client.log_batch(self.mlflow_run_id, params=params, tags=[note])

    def log_epoch(self, epoch: int, metrics: dict[str, float]) -> None:
        """Log an epoch's metrics in one batch, with the epoch as its step, and return at once.

        :meth:`finish`, :meth:`fail_diverged` and :meth:`flush` wait until the metrics have arrived. After a restart an
        epoch may be logged twice, with the same numbers.
        """
        self._log(metrics, epoch)

    def log_classes(self, rows: Sequence[ClassRow], metric: str) -> None:
        """Keep how each class fares after an epoch; the store gets it when the run ends, however it ends.

        Args:
            metric: what the score of the rows is, ``recall`` or ``iou``.
        """
        self._classes.add(rows, metric)

    def flush(self) -> None:
        """Wait until all epochs have arrived."""
        self._spool.flush()

    def finish(
        self, result: RunResult, arrays: Arrays, confusion: NDArray[np.int64] | None, classes: Sequence[str]
    ) -> None:
        """Log the one measurement of target test and all that selection may read; close the run as FINISHED.

        Args:
            arrays: by name, see ``run.finish.FinishedRun.arrays``; float32 is stored in half precision.
            confusion: (K, K) counts of target test; rows are true classes, columns predicted ones. None without a test.

        Raises:
            UserError: the store refuses the result for good; the run is closed as FAILED.
        """
        entry = self._log(_final(result), result.epochs)
        self._spool.close()
        if reason := self._spool.refusal_of(entry):
            reason = f"the MLflow store refused the result ({reason}); it lies in {self._spool.refused_path}"
            retrying(self.uri)(self._fail, reason)
            raise UserError(reason)
        retrying(self.uri)(self._finish, entry, result, arrays, confusion, classes)
        self._classes.discard()

    def _finish(
        self, entry: Entry, result: RunResult, arrays: Arrays, confusion: NDArray[np.int64] | None,
        classes: Sequence[str],
    ) -> None:  # fmt: skip
        if "target_validation_ids" in arrays:
            ids = {"ids": [str(i) for i in arrays["target_validation_ids"]]}
            self._client.log_dict(self.mlflow_run_id, ids, "label_subset.json")
        if confusion is not None:
            self._client.log_text(self.mlflow_run_id, _csv(confusion, classes), class_record.CONFUSION)
            self._client.log_figure(self.mlflow_run_id, _figure(confusion, classes), "confusion.png")
        self._store_classes()
        self._log_arrays(arrays)
        if self._model_id:
            of_test = {key: value for key, value in entry["metrics"].items() if key.startswith("test/")}
            logged_models.log_scores(
                self._client, self.mlflow_run_id, self._model_id, of_test, entry["at"], entry["step"]
            )
        self._client.set_tag(self.mlflow_run_id, "collapsed", str(result.collapsed).lower())
        self._client.set_terminated(self.mlflow_run_id, "FINISHED")

    def add_file(self, path: Path, folder: str | None = None) -> None:
        """Store a file with the run, in ``folder`` of its artifacts (None: at the top)."""
        retrying(self.uri)(self._client.log_artifact, self.mlflow_run_id, str(path), folder)

    def add_network(self, path: Path) -> None:
        """Store the run's network, and list it among the models of its experiment."""
        self.add_file(path)
        self._model_id = retrying(self.uri)(logged_models.log_model, self._client, self.mlflow_run_id, self._spec)

    def note(self, about: str, sentence: str) -> None:
        """Tag the run with a note on how it was made."""
        retrying(self.uri)(self._client.set_tag, self.mlflow_run_id, f"note_{about}", sentence)

    def fail_diverged(self, reason: str) -> None:
        """Close the run as FAILED and mark it as diverged: with the same data and code it would diverge again."""
        self._spool.close()
        retrying(self.uri)(self._fail_diverged, reason)

    def _fail_diverged(self, reason: str) -> None:
        self._try_to_store_classes()
        self._client.set_tag(self.mlflow_run_id, "reason", reason)
        self._client.set_tag(self.mlflow_run_id, "diverged", "true")
        self._client.set_terminated(self.mlflow_run_id, "FAILED")

    def fail(self, reason: str) -> None:
        """Close the run as FAILED for a reason that the user can mend; the same command tries it again."""
        with contextlib.suppress(UserError):  # what has not arrived is sent when the run is tried again
            self._spool.close(HURRY_SECONDS)
        self._spool.abandon()
        retrying(self.uri)(self._fail, reason)

    def _fail(self, reason: str) -> None:
        self._try_to_store_classes()
        self._client.set_tag(self.mlflow_run_id, "reason", reason)
        self._client.set_terminated(self.mlflow_run_id, "FAILED")

    def interrupt(self) -> None:
        """Close the run as KILLED, soon. It can be opened again; what has not arrived is sent then."""
        with contextlib.suppress(Exception):  # a machine that is taken away cannot wait for a server that is away
            self._spool.close(HURRY_SECONDS)
            retrying(self.uri, HURRY_SECONDS)(self._client.set_terminated, self.mlflow_run_id, "KILLED")
            retrying(self.uri, HURRY_SECONDS)(self._store_classes)
        self._spool.abandon()

    def _log(self, metrics: dict[str, float], step: int) -> Entry:
        stored = {name: ui_metadata.rounded(value) for name, value in metrics.items()}
        entry: Entry = {"at": int(time.time() * 1000), "step": step, "metrics": stored}
        self._spool.put(entry)
        return entry

    def _send(self, entry: Entry) -> None:
        """Send one entry with the time at which it was written, by which MLflow recognises one that comes twice."""
        from mlflow.entities import Metric

        named = {metric_names.encode(key): value for key, value in entry["metrics"].items()}
        metrics = [Metric(key, value, entry["at"], entry["step"]) for key, value in named.items()]
        self._client.log_batch(self.mlflow_run_id, metrics=metrics)

    def _store_classes(self) -> None:
        if text := self._classes.text():
            self._client.log_text(self.mlflow_run_id, text, class_record.FILE)

    def _try_to_store_classes(self) -> None:
        with contextlib.suppress(Exception):  # the store may be what has failed; the file stays beside the checkpoint
            self._store_classes()

    def _log_arrays(self, arrays: Arrays) -> None:
        small: dict[str, Any] = {
            name: _in_half(array) if array.dtype == np.float32 else array for name, array in arrays.items()
        }
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, PREDICTIONS)
            np.savez_compressed(path, **small)
            self._client.log_artifact(self.mlflow_run_id, str(path))


def _in_half(array: NDArray[Any]) -> NDArray[Any]:
    """An array in half precision, in which each row of logits keeps its largest entry.

    Rounding makes equal what was not, and of equal entries the first one would be read as the prediction.
    """
    half = array.astype(np.float16)
    if array.ndim == 2 and array.shape[1]:
        largest = array.argmax(axis=1)
        lost = np.flatnonzero(half.argmax(axis=1) != largest)
        half[lost, largest[lost]] = np.nextafter(half.max(axis=1)[lost], np.float16(np.inf))
    return half


def _flat(spec: RunSpec, inert: set[str]) -> dict[str, Any]:
    flat = {"backbone": spec.backbone, "weights": spec.weights, "method": spec.method, "seed": spec.seed}
    flat |= {key: "n/a" if key in inert else value for key, value in spec.params.items()}
    flat |= {f"training.{key}": value for key, value in spec.training.model_dump().items()}
    flat |= {} if spec.budget is None else {"budget": spec.budget.of}
    subset = spec.label_subset.model_dump()
    return flat | {f"labels.{key}": value for key, value in subset.items() if key != "given" or value}


def _final(result: RunResult) -> dict[str, float]:
    metrics = {"seconds": result.seconds, "measuring_seconds": result.measuring_seconds}
    for part in ("test", "validation", "source_validation", "whole", "enlarged_labels"):
        scores = getattr(result, part)
        metrics |= {f"{part}/{key}": value for key, value in scores.means().items()} if scores else {}
    of_classes = {} if result.test is None else result.test.per_class
    return metrics | {f"test/class/{name}": value for name, value in of_classes.items() if value is not None}


def _csv(confusion: NDArray[np.int64], classes: Sequence[str]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["true \\ predicted", *classes])
    table.writerows([name, *row] for name, row in zip(classes, confusion.tolist(), strict=True))
    return text.getvalue()


def _figure(confusion: NDArray[np.int64], classes: Sequence[str]) -> Any:
    """Draw the matrix, without pyplot: it keeps figures for the whole process and may need a screen."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 5.5), layout="constrained")
    axes = figure.subplots()
    share = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    shown = axes.imshow(100 * share, cmap="cividis", vmin=0, vmax=100)
    axes.set_xticks(range(len(classes)), classes, rotation=45, ha="right", parse_math=False)
    axes.set_yticks(range(len(classes)), classes, parse_math=False)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    figure.colorbar(shown, label="% of the true class")
    return figure
