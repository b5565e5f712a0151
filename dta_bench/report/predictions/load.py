"""``dta_bench.load``: a run's network in Python."""

from __future__ import annotations

from pathlib import Path

from dta_bench.report.predictions.command import named_network
from dta_bench.report.predictions.predictor import Predictor, Views
from dta_bench.run.workspace import Workspace
from dta_bench.tracking.store_file import sqlite_uri


def load(run: str, out: str | Path = ".", tracking_uri: str | None = None, views: Views = "none") -> Predictor:
    """Load the network of a run.

    Args:
        run: the beginning of its identity or of its MLflow id, or a file ``*.safetensors``.
        out: the folder of the runs and the MLflow store.
        tracking_uri: the MLflow server or store; by default the SQLite file in ``out``.
        views: ``flip`` averages over each image and its mirror image.

    Raises:
        UserError: no such run, or it kept no network.
    """
    folder = Path(out).expanduser().resolve()
    uri = tracking_uri or sqlite_uri(folder / "mlflow.db")
    loaded = named_network(str(run), Workspace(str(Path("data").resolve()), str(folder), uri)).loaded
    return Predictor(loaded, views)
