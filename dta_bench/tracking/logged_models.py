"""Kept networks as MLflow's logged models: its pages list them under Models, with their scores and data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from dta_bench.spec.run_spec import RunSpec
from dta_bench.tracking import metric_names

KIND, FILE = "network", "network.safetensors"
TEST = "target test"
ABSENT = ("ENDPOINT_NOT_FOUND", "RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "BAD_REQUEST")
"""How a server answers that does not know what it is asked for."""


def log_model(client: Any, mlflow_run_id: str, spec: RunSpec) -> str | None:
    """List a run's kept network among the models of its experiment; of a run that is there already nothing changes.

    The network itself stays a file of the run: the model says which, and how to export it.

    Returns:
        The model's id; None on a server whose MLflow has no logged models (before 3.0).
    """
    from mlflow.entities import LoggedModelOutput
    from mlflow.exceptions import MlflowException

    try:
        run = client.get_run(mlflow_run_id)
        if known := models_of(client, run):
            return str(known[0].model_id)
        made = client.create_logged_model(
            run.info.experiment_id, name=_name(spec), source_run_id=mlflow_run_id, model_type=KIND,
            params={key: str(value) for key, value in spec.params.items()},
            tags={"run_id": spec.id, "file": f"{FILE} of the run",
                  "export": f"dta-bench export {spec.id} --to mlflow"},
        )  # fmt: skip
        client.finalize_logged_model(made.model_id, "READY")
        client.log_outputs(mlflow_run_id, [LoggedModelOutput(made.model_id, spec.training.epochs)])
    except MlflowException as error:
        if error.error_code not in ABSENT:
            raise
        return None
    return str(made.model_id)


def log_scores(client: Any, mlflow_run_id: str, model_id: str, scores: Mapping[str, float], at: int, step: int) -> None:
    """Log a run's scores on target test once more as its model's, with the data on which they were measured.

    Args:
        at: when the run logged them, in milliseconds: MLflow takes the same score at the same time for one.
        step: of the run's own scores.
    """
    from mlflow.entities import Metric

    if client.get_logged_model(model_id).metrics:
        return
    inputs = [one.dataset for one in client.get_run(mlflow_run_id).inputs.dataset_inputs]
    data = next(({"dataset_name": s.name, "dataset_digest": s.digest} for s in inputs if s.name.endswith(TEST)), {})
    metrics = [
        Metric(metric_names.encode(key), value, at, step, model_id=model_id, run_id=mlflow_run_id, **data)
        for key, value in scores.items()
    ]
    client.log_batch(mlflow_run_id, metrics=metrics)


def remove_models(client: Any, mlflow_run_id: str) -> None:
    """Take a run's models away, where its network is removed."""
    for model in models_of(client, client.get_run(mlflow_run_id)):
        client.delete_logged_model(model.model_id)


def models_of(client: Any, run: Any) -> list[Any]:
    """The logged models that a run says it has made, without those that have been removed."""
    from mlflow.exceptions import MlflowException

    found = []
    for output in run.outputs.model_outputs if run.outputs else []:
        try:
            found.append(client.get_logged_model(output.model_id))
        except MlflowException as error:
            if error.error_code not in ABSENT:
                raise
    return found


def _name(spec: RunSpec) -> str:
    """The run's method and network; MLflow refuses some characters in a model's name."""
    return re.sub(r"[^\w\- ]", "-", f"{spec.method} {spec.backbone} seed {spec.seed}")
