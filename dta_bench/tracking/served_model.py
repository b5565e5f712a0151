"""An MLflow model of a network: code and safetensors, nothing pickled; its one input column is ``path``.

MLflow runs this very file when it serves the model (models from code): there it stands alone, and uses the installed
package.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mlflow
from mlflow.pyfunc import PythonModel


class NetworkModel(PythonModel):  # type: ignore[misc]
    """Predicts the image files that the column ``path`` names, a row each."""

    def load_context(self, context: Any) -> None:
        """Load the network that lies in the model's folder."""
        import dta_bench

        self.predictor = dta_bench.load(context.artifacts["network"])

    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]  # noqa: ARG002 - MLflow reads hints
        """A row for each row of the input; class and probability are empty for a file that cannot be read."""
        return self.predictor.predict_each([str(path) for path in model_input["path"]])


def save(network: Path, folder: Path, classes: Sequence[str]) -> None:
    """Write the model's folder.

    Args:
        network: the file of the network.
        folder: must not be there yet.
        classes: the names of the classes, kept as metadata.
    """
    import importlib.metadata
    import os

    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    output = [
        ColSpec(DataType.string, "path"),
        ColSpec(DataType.string, "class"),
        ColSpec(DataType.float, "probability"),
    ]
    signature = ModelSignature(Schema([ColSpec(DataType.string, "path")]), Schema(output))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it asks for an example of the input, though it has the signature
        mlflow.pyfunc.save_model(
            str(folder), python_model=str(Path(__file__)), artifacts={"network": str(network)}, signature=signature,
            pip_requirements=[f"dta-bench=={importlib.metadata.version('dta-bench')}"],
            metadata={"classes": list(classes)},
        )  # fmt: skip


if __name__ != "dta_bench.tracking.served_model":  # MLflow runs the copy in a model's folder
    mlflow.models.set_model(NetworkModel())
