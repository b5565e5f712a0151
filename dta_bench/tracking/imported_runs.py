"""Finished runs that another store made, written into this one as they were."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dta_bench.spec.run_spec import RunSpec
from dta_bench.tracking import metric_names
from dta_bench.tracking.retry import with_retries
from dta_bench.tracking.run_log import PREDICTIONS
from dta_bench.tracking.store import Store

MOST_METRICS = 500
"""How many metrics are sent at once; MLflow takes 1,000."""
DISAGREEMENT = "disagreement"
"""The tag of a run that an archive has with other scores or fingerprints: whose archive, and what differs."""
Curve = tuple[list[int], list[float]]


@dataclass(frozen=True)
class FinishedElsewhere:
    """A finished run of another store.

    Attributes:
        tags: what its numbers depend on besides its spec, and where it comes from.
        curves: metric → its epochs and its value at each.
        texts: small text files by name.
        predictions: the file of its arrays, as it was stored.
    """

    spec: RunSpec
    name: str
    tags: Mapping[str, str]
    curves: Mapping[str, Curve]
    texts: Mapping[str, str] = field(default_factory=dict)
    predictions: bytes = b""


class ImportedRuns(Store):
    """Writes runs of other stores."""

    @with_retries
    def import_run(self, run: FinishedElsewhere) -> str:
        """Write a finished run, whose benchmark has its experiment already; returns its id in MLflow."""
        from mlflow.entities import Metric

        experiment = self._experiment_named(run.spec.benchmark).experiment_id
        tags = dict(run.tags) | {"run_id": run.spec.id, "spec": json.dumps(run.spec.to_dict(), sort_keys=True)}
        created = str(self._client.create_run(experiment, run_name=run.name, tags=tags).info.run_id)
        metrics = [
            Metric(metric_names.encode(key), value, 0, step)
            for key, (steps, values) in run.curves.items()
            for step, value in zip(steps, values, strict=True)
        ]
        for start in range(0, len(metrics), MOST_METRICS):
            self._client.log_batch(created, metrics=metrics[start : start + MOST_METRICS])
        for name, text in run.texts.items():
            self._client.log_text(created, text, name)
        if run.predictions:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, PREDICTIONS)
                path.write_bytes(run.predictions)
                self._client.log_artifact(created, str(path))
        self._client.set_terminated(created, "FINISHED")
        return created
