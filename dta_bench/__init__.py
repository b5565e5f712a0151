"""dta-bench: distributed sweeps and honest tables for Drop to Adapt and everything it is compared with."""

import importlib
from typing import Any

__version__ = "0.1.0"


def load(run: Any, out: Any = ".", tracking_uri: str | None = None, views: str = "none") -> Any:
    """Load a run's network; its ``predict(["photographs"])`` gives a data frame with one row per image.

    Args:
        run: the beginning of the run's identity, or a file ``network.safetensors``.
        out: the folder of the runs and the MLflow store.
        tracking_uri: the MLflow server or store; by default the SQLite file in ``out``.
        views: ``none``, or ``flip``: the mean over each image and its mirror image.

    Returns:
        A :class:`dta_bench.report.predictions.predictor.Predictor`.
    """
    # By name: every module of the package imports this one, and training must not import MLflow through it.
    return importlib.import_module("dta_bench.report.predictions.load").load(run, out, tracking_uri, views)
